"""What a job costs under SLURM: `PYTHONPATH=tests python tests/cluster/overhead.py` prints one JSON object.

A part of the smoke configuration runs in a clone of the last commit, once on this machine and once through
profiles/slurm on a SLURM of one node, one job at a time in both.

================  ====================================================================================
jobs              jobs of SLURM
overhead_s        seconds that the run takes longer on SLURM, for each job: the sum of the next three
queue_s           from the submission of a job to its start
start_s           the rest: Snakemake starts twice in the job
notice_s          from the end of a job to the submission of the next
local_s, slurm_s  seconds of the two runs
================  ====================================================================================
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import mean

from cluster.one_node_slurm import one_node_slurm

PROJECT = Path(__file__).parents[2]
RESULTS = Path("results", "smoke")
TARGETS = [
    RESULTS / "scores" / "stack2_physics" / "stack2" / "summary.csv",
    *(RESULTS / "reconstructions" / f"tissue{number}" / "overview.png" for number in (1, 2, 3)),
    RESULTS / "figures" / "fig_psf.png",
]


def run(project: Path, *options: str) -> float:
    """Make the targets from nothing; returns the seconds that it takes."""
    shutil.rmtree(project / RESULTS, ignore_errors=True)
    command = [
        sys.executable,
        "-m",
        "snakemake",
        *options,
        "--configfile",
        "config/smoke.yaml",
        "--",
        *map(str, TARGETS),
    ]
    environment = os.environ | {"PYTHONPATH": str(project / "workflow" / "src")}
    start = time.perf_counter()
    subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def job_times() -> list[list[datetime]]:
    """Times of submission, start and end of all jobs, in the order of submission; SLURM knows whole seconds."""
    command = ["squeue", "--states=all", "--noheader", "--sort=i", "--format=%V %S %e"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [[datetime.fromisoformat(each) for each in line.split()] for line in lines]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "project")
        subprocess.run(["git", "clone", "--quiet", PROJECT, project], check=True)
        local_s = run(project, "--cores", "1")
        with one_node_slurm(Path(folder, "slurm")):
            slurm_s = run(project, "--profile", "profiles/slurm", "--cores", "2", "--jobs", "1")
            times = job_times()
    overhead_s = (slurm_s - local_s) / len(times)
    queue_s = mean((start - submission).total_seconds() for submission, start, _ in times)
    notice_s = mean((following[0] - job[2]).total_seconds() for job, following in pairwise(times))
    seconds = {
        "overhead_s": overhead_s,
        "queue_s": queue_s,
        "start_s": overhead_s - queue_s - notice_s,
        "notice_s": notice_s,
        "local_s": local_s,
        "slurm_s": slurm_s,
    }
    print(json.dumps({"jobs": len(times), **{name: round(value, 1) for name, value in seconds.items()}}))


if __name__ == "__main__":
    main()
