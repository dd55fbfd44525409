"""Some jobs of a finished smoke run again through profiles/slurm, on a SLURM of one node; two of them fail.

The first attempt of the training gets too little memory, and an image of one acquisition is no image.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cluster.one_node_slurm import one_node_slurm, why_none_can_start
from performance.result_digests import array_digests, number_digest

pytest.importorskip("snakemake_executor_plugin_slurm", reason="the plugin of Snakemake for SLURM is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.slurm]

RESULTS = Path("results/smoke")
TARGETS = [
    "figures/fig_psf.png",
    *(f"data/depth/{split}-0.h5" for split in ("train", "validation", "test")),
    "data/moving/test-0.h5",
    "data/stack1/test-0.h5",
    "scores/deblur_cnn/deblur/summary.csv",
    "reconstructions/clusters/overview.png",
    "reconstructions/cells/overview.png",
]
REMOVED = [*TARGETS, "models/deblur_cnn.*", "predictions/deblur_cnn/*", "scores/deblur_cnn/deblur/*"]
"""Patterns of results that are made again: shards, a training and its test, reconstructions, and a figure."""
OPTIONS = [
    *("--profile", "profiles/slurm", "--configfile", "config/smoke.yaml"),
    *("--cores", "2", "--retries", "1", "--slurm-init-seconds-before-status-checks", "3"),
    *("--set-resources", "train:mem_mb=100 * 10 ** (attempt - 1)"),
]


class SlurmJob(NamedTuple):
    """A job as `squeue` lists it: the rules that it runs, its state, CPUs, memory and time limit."""

    rules: str
    state: str
    n_cpus: str
    memory: str
    time_limit: str


class SlurmRun(NamedTuple):
    """A finished run: the folder of the project, what Snakemake printed, its exit status, and the jobs of SLURM."""

    project: Path
    output: str
    status: int
    jobs: list[SlurmJob]

    def attempts(self, rules: str) -> list[SlurmJob]:
        return [job for job in self.jobs if re.fullmatch(rules, job.rules)]


def list_jobs() -> list[SlurmJob]:
    command = ["squeue", "--states=all", "--noheader", "--sort=i", "--format=%k %T %C %m %l"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return [SlurmJob(*line.split()) for line in run.stdout.splitlines()]


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    reason = why_none_can_start()
    if reason:
        pytest.skip(reason)
    with one_node_slurm(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.fixture(scope="module")
def slurm_run(
    snakemake: Callable[..., Any], copy_finished: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> SlurmRun:
    project = copy_finished(tmp_path_factory.mktemp("run") / "project")
    for path in [path for pattern in REMOVED for path in (project / RESULTS).glob(pattern)]:
        path.unlink(missing_ok=True)
    (project / "resources" / "acquisitions" / "clusters_a.tif").write_text("no image")
    run = snakemake(*OPTIONS, "--", *(str(RESULTS / target) for target in TARGETS), folder=project)
    return SlurmRun(project, run.stdout + run.stderr, run.returncode, list_jobs())


def test_a_failing_job_is_reported_and_the_others_are_done(slurm_run: SlurmRun) -> None:
    assert slurm_run.status != 0
    assert "clusters_a.tif: not a readable image (" in slurm_run.output
    done = [target for target in TARGETS if (slurm_run.project / RESULTS / target).is_file()]
    assert done == [target for target in TARGETS if "clusters" not in target], slurm_run.output


def test_a_job_that_failed_is_tried_again_with_more_memory_and_time(slurm_run: SlurmRun) -> None:
    training = slurm_run.attempts("rule_train_.*")
    assert [(job.state, job.memory) for job in training] == [("FAILED", "100M"), ("COMPLETED", "1000M")]
    reconstruction = slurm_run.attempts("rule_reconstruct_sample_wildcards_clusters")
    assert [(job.state, job.memory, job.time_limit) for job in reconstruction] == [
        ("FAILED", "3000M", "30:00"),
        ("FAILED", "6000M", "1:00:00"),
    ]


def test_small_jobs_share_a_job(slurm_run: SlurmRun) -> None:
    shards = slurm_run.attempts("rule_shards_.*")
    assert len(shards) == 1  # for four jobs of five shards
    assert max(int(job.n_cpus) for job in shards) == 2


def test_logs_of_slurm_stay_where_a_job_failed(slurm_run: SlurmRun) -> None:
    folders = {log.parents[1].name for log in (slurm_run.project / ".snakemake" / "slurm_logs").rglob("*.log")}
    assert folders == {"rule_train", "rule_reconstruct_sample"}


def test_results_are_those_of_a_local_run(slurm_run: SlurmRun, smoke: Path) -> None:
    results = slurm_run.project / RESULTS
    readers = {".h5": array_digests, ".csv": number_digest, ".safetensors": Path.read_bytes, ".png": Path.read_bytes}
    files = {file for pattern in REMOVED for file in results.glob(pattern) if file.suffix in readers}
    files -= {results / "models" / "deblur_cnn.csv"}  # which holds the seconds that the training took
    assert len(files) >= 11
    for file in files:
        read, local = readers[file.suffix], smoke / file.relative_to(results)
        assert read(file) == read(local), file.relative_to(results)


def submit(name: str, folder: Path) -> str:
    """Submit a job that waits; returns its number."""
    command = ["sbatch", "--parsable", f"--job-name={name}", "--output=/dev/null", "--mem=50", "--wrap=sleep 600"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def queued() -> set[str]:
    command = ["squeue", "--noheader", "--format=%A"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_jobs_that_outlive_a_killed_run_are_cancelled_and_no_others(project: Path, tmp_path: Path) -> None:
    script = ["sh", "profiles/slurm/cancel_jobs.sh"]
    left = submit("foci3d_run", project)
    others = {submit("foci3d_run", tmp_path), submit("other", project)}
    subprocess.run(script, cwd=project, check=True)  # SLURM was not used in this folder
    assert queued() == others | {left}
    (project / ".snakemake" / "slurm_logs").mkdir(parents=True)
    subprocess.run(script, cwd=project, check=True)
    assert queued() == others
    subprocess.run(["scancel", *others], check=True)
