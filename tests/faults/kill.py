"""Kill a run at random moments, give the same command again, and compare the results with those of an undisturbed run.

`PYTHONPATH=tests python tests/faults/kill.py 20` does this in a clone of the last commit until 20 runs were killed. It
prints one line of JSON for each kill and for each violation of what `run_with_kills` checks, and fails if there was a
violation. With `--slurm`, the runs use profiles/slurm on a SLURM of one node, and jobs of SLURM are killed, too.
"""

import argparse
import base64
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from cluster.one_node_slurm import kill_random_job, one_node_slurm

RESULTS = Path("results", "smoke")
TARGETS = (
    RESULTS / "scores" / "stack2_physics" / "stack2" / "summary.csv",
    RESULTS / "reconstructions" / "clusters" / "overview.png",
)
# A training long enough to be killed between its checkpoints.
OVERLAY = "networks: {stack2_physics: {training: {max_steps: 40, validation_interval: 4}}}\n"
CONFIGURATION = ("--configfile", "config/smoke.yaml", "config/kill.yaml")
LOCAL = ("--cores", "1")
SLURM = ("--profile", "profiles/slurm", "--cores", "2", "--slurm-init-seconds-before-status-checks", "3")
NOT_RESULTS = ("logs", "benchmarks", "config.yaml")


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


@dataclass(frozen=True)
class JobKill:
    """A job of SLURM that was killed while the run went on.

    Parameters
    ----------
    after_s : float
        Seconds from the start of the run.
    rules : str
        Rules of the job.
    """

    after_s: float
    rules: str


def environment(project: Path) -> dict[str, str]:
    """Environment in which Python imports the library of `project`."""
    return os.environ | {"PYTHONPATH": str(project / "workflow" / "src")}


def start_run(project: Path, slurm: bool) -> subprocess.Popen[bytes]:
    """Start the run in a process group of its own; its output goes to `output.txt`."""
    with (project / "output.txt").open("wb") as output:
        options = (*(SLURM if slurm else LOCAL), *CONFIGURATION)
        command = [sys.executable, "-m", "snakemake", *options, "--", *map(str, TARGETS)]
        return subprocess.Popen(
            command, cwd=project, env=environment(project), stdout=output, stderr=output, start_new_session=True
        )


def unlock(project: Path) -> None:
    """Release the lock of Snakemake that a killed run leaves, as `make unlock` does."""
    command = [sys.executable, "-m", "snakemake", "--unlock", *CONFIGURATION]
    subprocess.run(command, cwd=project, env=environment(project), check=True, capture_output=True)


def cancel_jobs(project: Path) -> None:
    """Cancel the jobs of SLURM that outlive a killed run, as `make unlock` does."""
    subprocess.run(["sh", "profiles/slurm/cancel_jobs.sh"], cwd=project, check=True, capture_output=True)


def result_files(project: Path) -> list[Path]:
    """Files of the results, temporary ones among them; neither logs nor benchmarks."""
    results = project / RESULTS
    paths = (path for path in results.rglob("*") if path.is_file())
    return sorted(path for path in paths if path.relative_to(results).parts[0] not in NOT_RESULTS)


def content_digests(project: Path) -> dict[str, str]:
    """Digest of each result; of training curves without the times that they took."""
    digests = {}
    for path in result_files(project):
        content = path.read_bytes()
        if path.suffix == ".csv" and path.parent.name == "models":
            content = pd.read_csv(path).drop(columns=["seconds", "processor_seconds"]).to_csv().encode()
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


def ends_within(run: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether a run ends by itself within some seconds."""
    with suppress(subprocess.TimeoutExpired):
        run.wait(seconds)
        return True
    return False


def kill(run: subprocess.Popen[bytes]) -> None:
    """Kill a run with all its processes; jobs of SLURM are none of them."""
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def run_undisturbed(project: Path, slurm: bool) -> tuple[dict[str, str], float]:
    """Digests of the results of a run that nothing disturbs, and the seconds that it takes."""
    (project / "config" / "kill.yaml").write_text(OVERLAY)
    start = time.perf_counter()
    if start_run(project, slurm).wait():
        raise RuntimeError((project / "output.txt").read_text())
    return content_digests(project), time.perf_counter() - start


def remove_made(project: Path, kept: set[Path]) -> None:
    """Remove all results but the files `kept`."""
    for path in set(result_files(project)) - kept:
        path.unlink()


def run_with_kills(
    project: Path, expected: dict[str, str], duration_s: float, n_kills: int, seed: int, slurm: bool = False
) -> Iterator[Kill | JobKill | str]:
    """Kill runs until `n_kills` were killed, and let the last one end.

    Each run continues the killed one before it; after one that has ended, the next starts with the results that there
    were at first. With SLURM, each run first loses a job.

    Parameters
    ----------
    project : Path
        Folder of the project; what is in its results must not be written again.
    expected : dict of str to str
        Digests of the results of an undisturbed run.
    duration_s : float
        Seconds within which a run is killed.
    n_kills : int
        Number of runs to kill.
    seed : int
        Of the moments.
    slurm : bool, optional
        Whether jobs run on SLURM.

    Yields
    ------
    Kill, JobKill or str
        Each kill, and each violation: a file that was complete is written again, a run fails, a temporary file remains,
        or the results differ from those of an undisturbed run.
    """
    rng = random.Random(seed)
    kept, at_first = set(result_files(project)), complete_files(project)
    complete, is_clean = at_first, True
    while n_kills or not is_clean:
        after_s = rng.uniform(0, duration_s)
        start = time.time()
        run = start_run(project, slurm)
        if slurm and not ends_within(run, rng.uniform(0, after_s)) and (rules := kill_random_job(rng)):
            yield JobKill(round(time.time() - start, 1), rules)
        killed = bool(n_kills) and not ends_within(run, start + after_s - time.time())
        if killed:
            kill(run)
            if slurm:
                cancel_jobs(project)
        run.wait()
        now = complete_files(project)
        yield from (f"{name} was complete and is written again" for name in complete if now.get(name) != complete[name])
        if killed:
            n_kills -= 1
            complete, is_clean = now, False
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
        remove_made(project, kept)
        complete, is_clean = at_first, True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n_kills", type=int)
    parser.add_argument("--seed", type=int, default=0, help="of the moments; default 0")
    parser.add_argument("--slurm", action="store_true", help="run on a SLURM of one node")
    arguments = parser.parse_args()
    n_violations = 0
    with tempfile.TemporaryDirectory() as folder:
        project, cluster = Path(folder, "project"), Path(folder, "slurm")
        source = Path(__file__).parents[2]
        subprocess.run(["git", "clone", "--quiet", source, project], check=True)
        with one_node_slurm(cluster) if arguments.slurm else nullcontext():
            expected, duration_s = run_undisturbed(project, arguments.slurm)
            remove_made(project, set())
            kills = run_with_kills(project, expected, duration_s, arguments.n_kills, arguments.seed, arguments.slurm)
            for event in kills:
                print(json.dumps({"violation": event} if isinstance(event, str) else asdict(event)), flush=True)
                n_violations += isinstance(event, str)
    sys.exit(f"{n_violations} violations" if n_violations else 0)


if __name__ == "__main__":
    main()
