"""The readers with a few generated inputs each; `fuzz.py` reads many more."""

import pytest
from commands import READERS
from harness import fuzz, read_files

pytestmark = pytest.mark.slow

N_INPUTS = 40
ISOLATED = ("image", "mat", "kernels")
"""Readers that start processes."""


@pytest.mark.parametrize("name", READERS)
def test_valid_files_are_accepted(name: str) -> None:
    assert read_files(READERS[name], READERS[name].valid()) == ""


@pytest.mark.parametrize("name", READERS)
def test_generated_files_are_read_or_refused_in_one_line(name: str) -> None:
    n_inputs = N_INPUTS // 4 if name in ISOLATED else N_INPUTS
    assert sum(fuzz(READERS[name], n_inputs).values()) >= n_inputs
