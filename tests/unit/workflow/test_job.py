import errno
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from foci3d.config.imager import OpticsConfig
from foci3d.errors import InputError
from foci3d.io import hdf5
from foci3d.io.digests import digest
from foci3d.workflow import job


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Stand-in for the `snakemake` object among the globals; threads and environment are restored afterwards."""
    n_threads, environment = torch.get_num_threads(), dict(os.environ)
    snakemake = SimpleNamespace(
        rule="score",
        wildcards={"dataset": "stack2"},
        input={"psf": "psf.h5"},
        output={"table": "a.csv"},
        params={"optics": {"fwhm_deg": 36.0, "standoff_um": 20.0, "linear_fill_factor": 1.0}, "code": "abc"},
        log=[str(tmp_path / "score.log")],
        threads=3,
        config={},
    )
    monkeypatch.setitem(globals(), "snakemake", snakemake)
    yield snakemake
    torch.set_num_threads(n_threads)
    os.environ.clear()
    os.environ.update(environment)


def text(stub: SimpleNamespace) -> str:
    return Path(stub.log[0]).read_text()


def test_progress_is_in_the_log_and_on_the_terminal(stub: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    with job.job_context(stub):
        logging.getLogger("foci3d.learning.training").info("step 100")
    assert "score: step 100" in text(stub)
    assert "score: done in" in text(stub)
    assert "step 100" in capsys.readouterr().err


def test_the_processes_of_further_devices_add_their_errors_alone(
    stub: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(stub.log[0]).write_text("what the first process has logged\n")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with job.job_context(stub):
        logging.getLogger("foci3d.learning.training").info("step 100")
        warnings.warn("a warning", stacklevel=1)
        logging.getLogger("foci3d.learning.training").error("too little memory")
    first, second = text(stub).splitlines()
    assert first == "what the first process has logged"
    assert second.endswith("score, device 1: too little memory")


def test_warnings_of_python_are_in_the_log(stub: SimpleNamespace) -> None:
    with job.job_context(stub):
        warnings.warn("the depth is extrapolated", UserWarning, stacklevel=1)
    assert "UserWarning: the depth is extrapolated" in text(stub)


def test_nothing_is_logged_after_the_job(stub: SimpleNamespace) -> None:
    with job.job_context(stub):
        pass
    before = text(stub)
    logging.getLogger("foci3d").info("later")
    with pytest.warns(UserWarning, match="later"):
        warnings.warn("later", UserWarning, stacklevel=1)
    assert text(stub) == before


def test_error_of_the_user_is_one_line(stub: SimpleNamespace) -> None:
    with pytest.raises(SystemExit) as end, job.job_context(stub):
        raise InputError("a.tif: too small.")
    assert end.value.code == 1
    assert text(stub).splitlines()[-1].endswith("score: a.tif: too small.")
    assert "Traceback" not in text(stub)


def full_disk() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def hdf5_on_a_full_disk() -> None:
    """HDF5 fails in the write, and once more as it closes the file."""
    try:
        raise OSError("Can't write data (file write failed: errno = 28, error message = 'No space left on device')")
    finally:
        raise RuntimeError("Can't decrement id ref count")


def full_memory() -> None:
    raise ValueError("no array") from MemoryError()


def full_memory_of_pytorch() -> None:
    torch.empty(2**50)


MEMORY = "the memory is full: give the job more (mem_mb), or use smaller batches and fields"


@pytest.mark.parametrize(
    ("fail", "problem"),
    [
        (full_disk, "cannot write: the disk is full"),
        (hdf5_on_a_full_disk, "cannot write: the disk is full"),
        (full_memory, MEMORY),
        (full_memory_of_pytorch, MEMORY),
    ],
)
def test_full_disk_or_memory_is_one_line(stub: SimpleNamespace, fail: Callable[[], None], problem: str) -> None:
    with pytest.raises(SystemExit) as end, job.job_context(stub):
        fail()
    assert end.value.code == 1
    line = f"score: {problem}. Mend this and run again; complete files are kept."
    assert text(stub).splitlines()[-1].endswith(line)
    assert "Traceback" not in text(stub)


def test_control_characters_of_files_are_escaped(stub: SimpleNamespace) -> None:
    with job.job_context(stub):
        logging.getLogger("foci3d").info("a\x1b[2J.tif\n  a table")
    assert "score: a\\x1b[2J.tif\n  a table\n" in text(stub)


def test_internal_error_leaves_its_traceback(stub: SimpleNamespace) -> None:
    with pytest.raises(SystemExit) as end, job.job_context(stub):
        raise KeyError("depth")
    assert end.value.code == 1
    assert "internal error in rule score" in text(stub)
    assert "KeyError: 'depth'" in text(stub)


def test_threads_are_those_of_the_rule(stub: SimpleNamespace) -> None:
    assert torch.get_num_threads() != 3
    with job.job_context(stub):
        assert torch.get_num_threads() == 3
        assert {os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")} == {"3"}


def test_main_is_called_by_names_with_typed_values(stub: SimpleNamespace) -> None:
    received = {}

    def main(dataset: str, psf: Path, optics: OpticsConfig, table: Path, seed: int = 7) -> None:
        received.update(locals())

    job.run_job(main)
    assert received["dataset"] == "stack2"
    assert received["psf"] == Path("psf.h5")
    assert received["optics"] == OpticsConfig(fwhm_deg=36.0, standoff_um=20.0, linear_fill_factor=1.0)
    assert received["table"] == Path("a.csv")
    assert received["seed"] == 7


def test_missing_value_is_an_internal_error(stub: SimpleNamespace) -> None:
    def main(n_layers: int) -> None:
        raise AssertionError(n_layers)

    with pytest.raises(SystemExit):
        job.run_job(main)
    assert "Missing required argument" in text(stub)


def test_plugins_are_loaded_first(stub: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text("print('registered')")
    stub.config = {"plugins": [str(tmp_path / "mine.py")]}
    job.run_job(lambda: print("main"))
    assert capsys.readouterr().out.split() == ["registered", "main"]


def test_files_and_log_name_their_provenance(stub: SimpleNamespace, tmp_path: Path) -> None:
    kind, path = hdf5.FileFormat("test", 1), tmp_path / "a.h5"

    def main() -> None:
        arrays = {"depths_um": hdf5.LabelledArray(np.arange(3.0), "depth", "um")}
        hdf5.write(path, kind, arrays, {"code": "of the input", "source": "scan"})

    stub.config = {"seed": 2022, "results": "results/paper"}
    job.run_job(main)
    _, attributes = hdf5.read(path, kind)
    assert attributes["configuration"] == digest(stub.config)
    assert (attributes["seed"], attributes["code"], attributes["source"]) == (2022, "abc", "scan")
    assert f"torch {torch.__version__}" in attributes["versions"]
    for name in ("configuration", "seed", "code", "versions"):
        assert f"{name} {attributes[name]}" in text(stub)

    main()
    assert hdf5.read(path, kind)[1]["code"] == "of the input"
