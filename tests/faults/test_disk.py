"""A full disk, a read-only one, a file from the future, and two runs at once: one clear line, and a plain re-run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foci3d.optics.psf import PSF

OVERLAY = "psf: {source: file, file: kernels.h5}"
OUTPUT = "results/smoke/psf/file.h5"
RUN = ("--cores", "1", "--configfile", "config/smoke.yaml", "config/mine.yaml", "--", OUTPUT)
COMMAND = " ".join([sys.executable, "-m", "snakemake", *RUN])
NAMESPACE = ["unshare", "--map-root-user", "--mount"]


def can_mount() -> bool:
    try:
        return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


needs_mount = pytest.mark.skipif(not can_mount(), reason="needs unshare and user namespaces, to mount a small disk")


@pytest.fixture
def imported(project: Path, psf: PSF) -> Path:
    """A project whose point-spread function comes from a file, so that a run takes seconds."""
    psf.save(project / "kernels.h5")
    (project / "config" / "mine.yaml").write_text(OVERLAY)
    (project / "results").mkdir()
    return project


def run_shell(project: Path, script: str) -> str:
    """Output of a shell script in a namespace of its own, whose mounts end with it."""
    command = [*NAMESPACE, "bash", "-c", script]
    run = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    output = run.stdout + run.stderr
    assert "Traceback" not in output
    return output


@needs_mount
def test_full_disk(imported: Path) -> None:
    script = f"""
    mount -t tmpfs -o size=1m none results
    {COMMAND} || echo refused
    ls -A results/smoke/psf
    mount -o remount,size=100m results
    {COMMAND} && test -s {OUTPUT} && echo repaired
    """
    output = run_shell(imported, script)
    line = "import_psf: cannot write: the disk is full. Mend this and run again; complete files are kept."
    assert line in output
    assert "refused" in output
    assert "partial" not in output.split("refused")[1].split("SNAKEMAKE")[0]
    assert "\nrepaired\n" in output


@needs_mount
def test_read_only_results(imported: Path) -> None:
    script = f"""
    mount -t tmpfs -o ro none results
    {COMMAND} || echo refused
    mount -o remount,rw results
    {COMMAND} && test -s {OUTPUT} && echo repaired
    """
    output = run_shell(imported, script)
    assert "results: cannot write; expected a folder for results" in output
    assert "refused" in output
    assert "\nrepaired\n" in output


def test_file_from_the_future(snakemake: Callable[..., Any], imported: Path) -> None:
    """Snakemake would compute again what is older than its input, at each call."""
    tomorrow = time.time() + 86400
    os.utime(imported / "kernels.h5", (tomorrow, tomorrow))
    refused = snakemake(*RUN, folder=imported)
    output = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "Traceback" not in output
    assert "has older modification time" in output
    assert "than input kernels.h5" in output
    (imported / "kernels.h5").touch()
    repaired = snakemake(*RUN, folder=imported)
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr


def test_two_runs_at_once(imported: Path) -> None:
    command = [sys.executable, "-m", "snakemake", *RUN]
    first = subprocess.Popen(command, cwd=imported, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # One lock for the inputs, then one for the outputs, which the second run meets.
    while not any((imported / ".snakemake" / "locks").glob("*.output.lock")):
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)  # a short job would end before the second run has started
    second = subprocess.run(command, cwd=imported, capture_output=True, text=True, check=False)
    first.send_signal(signal.SIGCONT)
    assert second.returncode != 0
    assert "Traceback" not in second.stdout + second.stderr
    assert "Error: Directory cannot be locked." in second.stdout + second.stderr
    assert first.wait() == 0
    assert (imported / OUTPUT).is_file()
