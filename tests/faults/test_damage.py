"""Damaged files of the smoke run; `damage.py` damages many more."""

from pathlib import Path

import pytest
from damage import KINDS, damage_files


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_noticed_or_harmless(smoke: Path, kind: str) -> None:
    assert damage_files(smoke, kind, n_damages=20, seed=1)["noticed"] > 10
