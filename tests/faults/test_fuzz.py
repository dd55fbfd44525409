"""The readers with a few generated inputs each; `fuzz.py` reads many more."""

import pytest
from harness import fuzz, read_files
from readers import READERS

pytestmark = pytest.mark.slow

N_INPUTS = 40


@pytest.mark.parametrize("name", READERS)
def test_valid_files_are_accepted(name: str) -> None:
    assert read_files(READERS[name], READERS[name].valid()) == ""


@pytest.mark.parametrize("name", READERS)
def test_generated_files_are_read_or_refused_in_one_line(name: str) -> None:
    assert sum(fuzz(READERS[name], N_INPUTS).values()) >= N_INPUTS
