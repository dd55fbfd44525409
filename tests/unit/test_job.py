import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from foci3d import job
from foci3d.errors import InputError


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[SimpleNamespace]:
    threads = torch.get_num_threads()
    environment = dict(os.environ)
    yield SimpleNamespace(rule="score", log=[str(tmp_path / "score.log")], threads=1)
    for handler in job.log.handlers[:]:
        handler.close()
        job.log.removeHandler(handler)
    logging.captureWarnings(False)
    torch.set_num_threads(threads)
    os.environ.clear()
    os.environ.update(environment)


def text(stub: SimpleNamespace) -> str:
    return Path(stub.log[0]).read_text()


def test_progress_is_in_the_log_and_on_the_terminal(stub: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    with job.running(stub):
        logging.getLogger("foci3d.train").info("step 100")
    assert "score: step 100" in text(stub)
    assert "score: done in" in text(stub)
    assert "step 100" in capsys.readouterr().err


def test_mistake_of_the_user_is_one_sentence(stub: SimpleNamespace) -> None:
    with pytest.raises(SystemExit) as end, job.running(stub):
        raise InputError("a.tif: too small.")
    assert end.value.code == 1
    assert text(stub).splitlines()[-1].endswith("score: a.tif: too small.")
    assert "Traceback" not in text(stub)


def test_fault_of_ours_leaves_its_traceback(stub: SimpleNamespace) -> None:
    with pytest.raises(SystemExit) as end, job.running(stub):
        raise KeyError("depth")
    assert end.value.code == 1
    assert "Traceback" in text(stub)
    assert "KeyError: 'depth'" in text(stub)


def test_threads_are_those_of_the_rule(stub: SimpleNamespace) -> None:
    with job.running(stub):
        assert torch.get_num_threads() == 1
        assert os.environ["OMP_NUM_THREADS"] == "1"
