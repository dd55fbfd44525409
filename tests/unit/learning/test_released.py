"""The released models are found by name."""

from pathlib import Path

import pytest

from foci3d.errors import InputError
from foci3d.learning import released


def test_a_released_model_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(released, "FOLDER", tmp_path)
    (tmp_path / "one_sensor.json").write_text("{}")
    assert released.released_model("one_sensor") == tmp_path / "one_sensor.json"


def test_an_unknown_name_is_reported_with_the_known_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(released, "FOLDER", tmp_path)
    with pytest.raises(InputError, match=r"no released model three; expected one of those there \(none\)"):
        released.released_model("three")
    for suffix in ("json", "safetensors", "calibration.json"):
        (tmp_path / f"one_sensor.{suffix}").write_text("{}")
    with pytest.raises(InputError, match=r"expected one of those there \(one_sensor\)"):
        released.released_model("three")
