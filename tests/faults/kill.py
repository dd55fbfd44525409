"""Kill a run at random moments, give the same command again, and compare the results with those of an undisturbed run.

`python tests/faults/kill.py 20` does this in a clone of the last commit until 20 runs were killed. It prints one line
of JSON for each kill and for each violation of what `run_with_kills` checks, and fails if there was a violation.
"""

import argparse
import base64
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

RESULTS = Path("results", "smoke")
TARGETS = (
    RESULTS / "scores" / "stack2_physics" / "stack2" / "summary.csv",
    RESULTS / "reconstructions" / "tissue1" / "overview.png",
)
# A training long enough to be killed between its checkpoints.
OVERLAY = "networks: {stack2_physics: {training: {max_steps: 40, validation_interval: 4}}}\n"
RUN = ("--cores", "1", "--configfile", "config/smoke.yaml", "config/kill.yaml", "--", *map(str, TARGETS))
NOT_RESULTS = ("logs", "benchmarks")


@dataclass(frozen=True)
class Kill:
    """A run that was killed.

    Parameters
    ----------
    after_s : float
        Seconds from the start of the run.
    interrupted : tuple of str
        Outputs of the jobs that were running.
    temporary : tuple of str
        Temporary files that it left: those being written, and the checkpoint of a training.
    n_complete : int
        Files of jobs that had ended.
    """

    after_s: float
    interrupted: tuple[str, ...]
    temporary: tuple[str, ...]
    n_complete: int


def environment(project: Path) -> dict[str, str]:
    """Environment in which Python imports the library of `project`."""
    return os.environ | {"PYTHONPATH": str(project / "workflow" / "src")}


def start_run(project: Path) -> subprocess.Popen[bytes]:
    """Start the run in a process group of its own; its output goes to `output.txt`."""
    with (project / "output.txt").open("wb") as output:
        command = [sys.executable, "-m", "snakemake", *RUN]
        return subprocess.Popen(
            command, cwd=project, env=environment(project), stdout=output, stderr=output, start_new_session=True
        )


def unlock(project: Path) -> None:
    """Release the lock of Snakemake that a killed run leaves, as `make unlock` does."""
    command = [sys.executable, "-m", "snakemake", "--unlock", *RUN[2:5]]
    subprocess.run(command, cwd=project, env=environment(project), check=True, capture_output=True)


def result_files(project: Path) -> list[Path]:
    """Files of the results, temporary ones among them; neither logs nor benchmarks."""
    results = project / RESULTS
    paths = (path for path in results.rglob("*") if path.is_file())
    return sorted(path for path in paths if path.relative_to(results).parts[0] not in NOT_RESULTS)


def content_digests(project: Path) -> dict[str, str]:
    """Digest of each result; of training curves without the seconds that they took."""
    digests = {}
    for path in result_files(project):
        content = path.read_bytes()
        if path.suffix == ".csv" and path.parent.name == "models":
            content = pd.read_csv(path).drop(columns="seconds").to_csv().encode()
        digests[str(path.relative_to(project))] = hashlib.sha256(content).hexdigest()
    return digests


def interrupted_outputs(project: Path, since: float = 0.0) -> set[str]:
    """Outputs of jobs that were killed, of which Snakemake keeps marks: files with encoded names."""
    marks = (project / ".snakemake" / "incomplete").glob("*")
    marks = (mark for mark in marks if mark.name != "migration_underway" and mark.stat().st_mtime >= since)
    return {base64.b64decode(mark.name).decode() for mark in marks}


def complete_files(project: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of the last change of the files of jobs that have ended."""
    interrupted = interrupted_outputs(project)
    names = {str(path.relative_to(project)): path.stat() for path in result_files(project) if path.name[0] != "."}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in names.items() if name not in interrupted}


def kill_after(run: subprocess.Popen[bytes], seconds: float) -> bool:
    """Kill a run with all its jobs after some seconds; False if it ended before."""
    with suppress(subprocess.TimeoutExpired):
        run.wait(seconds)
        return False
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    return True


def run_undisturbed(project: Path) -> tuple[dict[str, str], float]:
    """Digests of the results of a run that nothing disturbs, and the seconds that it takes."""
    (project / "config" / "kill.yaml").write_text(OVERLAY)
    start = time.perf_counter()
    if start_run(project).wait():
        raise RuntimeError((project / "output.txt").read_text())
    return content_digests(project), time.perf_counter() - start


def run_with_kills(project: Path, n_kills: int, seed: int) -> Iterator[Kill | str]:
    """Kill runs until `n_kills` were killed, and let the last one end.

    Each run continues the killed one before it; after one that has ended, the next starts without results.

    Yields
    ------
    Kill or str
        Each kill, and each violation: a file that was complete is written again, a run fails, a temporary file remains,
        or the results differ from those of an undisturbed run.
    """
    rng = random.Random(seed)
    expected, duration_s = run_undisturbed(project)
    shutil.rmtree(project / RESULTS)
    complete: dict[str, tuple[int, int]] = {}
    while n_kills or (project / RESULTS).exists():
        after_s = rng.uniform(0, duration_s) if n_kills else float("inf")
        start = time.time()
        run = start_run(project)
        killed = kill_after(run, after_s) if n_kills else run.wait() < 0
        now = complete_files(project)
        yield from (f"{name} was complete and is written again" for name in complete if now.get(name) != complete[name])
        if killed:
            n_kills -= 1
            complete = now
            temporary = tuple(path.name for path in result_files(project) if path.name[0] == ".")
            interrupted = tuple(sorted(interrupted_outputs(project, start)))
            yield Kill(round(after_s, 1), interrupted, temporary, len(complete))
            unlock(project)
            continue
        if run.returncode:
            yield f"a run after a kill failed: {(project / 'output.txt').read_text()}"
        found = content_digests(project)
        names = sorted(expected.keys() | found.keys())
        yield from (f"{name} differs" for name in names if found.get(name) != expected.get(name))
        shutil.rmtree(project / RESULTS)
        complete = {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n_kills", type=int)
    parser.add_argument("--seed", type=int, default=0, help="of the moments; default 0")
    arguments = parser.parse_args()
    n_violations = 0
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "project")
        source = Path(__file__).parents[2]
        subprocess.run(["git", "clone", "--quiet", source, project], check=True)
        for event in run_with_kills(project, arguments.n_kills, arguments.seed):
            print(json.dumps(asdict(event) if isinstance(event, Kill) else {"violation": event}), flush=True)
            n_violations += isinstance(event, str)
    sys.exit(f"{n_violations} violations" if n_violations else 0)


if __name__ == "__main__":
    main()
