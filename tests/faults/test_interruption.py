"""A killed run resumes where it stopped, once its lock is released."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py

SHARD = "results/smoke/data/depth/validation-0.h5"
RUN = ("--cores", "1", "--configfile", "config/smoke.yaml", "--", SHARD)


def digests(path: Path) -> dict[str, str]:
    with h5py.File(path) as file:
        return {name: str(data.attrs["sha256"]) for name, data in file.items()}


def kill_when_written(output: str, folder: Path) -> None:
    """Start the run, and kill Snakemake and its jobs as soon as a job has written `output`, before the job ends."""
    command = [sys.executable, "-m", "snakemake", *RUN]
    with (folder / "output.txt").open("w") as file:
        run = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, start_new_session=True)
        while not (folder / output).exists() and run.poll() is None:
            time.sleep(0.002)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def test_killed_run(snakemake: Callable[..., Any], project: Path) -> None:
    assert snakemake(*RUN, folder=project).returncode == 0
    expected = digests(project / SHARD)

    # Once while the first job runs, and once while the last one does.
    for output in ("results/smoke/psf/simulated_scan.tiff", SHARD):
        for path in (project / "results" / "smoke").rglob("*"):
            if path.is_file() and (output != SHARD or (path.suffix == ".h5" and "data" in path.parts)):
                path.unlink()
        kill_when_written(output, project)
        assert (project / output).exists()
        assert list((project / ".snakemake" / "incomplete").iterdir()) != []

        refused = snakemake(*RUN, folder=project)
        assert refused.returncode != 0
        assert "LockException" in refused.stdout + refused.stderr
        assert snakemake("--unlock", folder=project).returncode == 0
        resumed = snakemake(*RUN, folder=project)
        assert resumed.returncode == 0, resumed.stdout + resumed.stderr
        assert digests(project / SHARD) == expected
