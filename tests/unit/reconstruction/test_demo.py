"""The bundled acquisition: the same bytes as its simulator writes, and reconstructed near its truth."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from foci3d.learning.model import load_model
from foci3d.learning.released import released_model
from foci3d.reconstruction.acquisition import reconstruct_acquisition
from foci3d.reconstruction.demo import FOLDER, Demo
from foci3d.reconstruction.volume import reconstruct

SIMULATOR = Path(__file__).parents[2] / "independent"
SAMPLES = ("clusters", "mirrored")
ACQUISITIONS = Path(__file__).parents[3] / "resources" / "acquisitions"


def test_files_are_those_that_the_simulator_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(SIMULATOR), *sys.path])
    runpy.run_path(str(SIMULATOR / "render_demo.py"))["main"](tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert files == {path.name: path.read_bytes() for path in FOLDER.iterdir()}


def test_example_acquisitions_are_those_that_the_simulator_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(SIMULATOR), *sys.path])
    runpy.run_path(str(SIMULATOR / "render_acquisitions.py"))["main"](tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert files == {path.name: path.read_bytes() for path in ACQUISITIONS.iterdir() if path.suffix != ".md"}


def test_the_reconstruction_is_near_the_truth() -> None:
    demo = Demo.load()
    model = load_model(released_model("two_sensors"), psf=demo.psf, device="cpu", average_symmetries=False)
    (result,) = reconstruct_acquisition(demo.acquisition, model).frames
    assert (result.mask != demo.truth.masks).mean() < 0.1
    assert np.abs(np.subtract(result.depths_um, demo.truth.depths_um)).max() < 100
    assert "% of the pixels are wrong, Dice 0." in demo.truth.compare(result)


def test_a_mirrored_sensor_is_flagged_and_named() -> None:
    model = load_model(released_model("two_sensors"), psf=Demo.load().psf, device="cpu")
    images = [np.stack([tifffile.imread(ACQUISITIONS / f"{name}_{side}.tif") for side in "ab"]) for name in SAMPLES]
    clusters, mirrored = (reconstruct(image, model).quality for image in images)
    assert (clusters.flagged, mirrored.flagged) == (False, True)
    assert "sensor B mirrored in x it would be in distribution: set mirrored" in mirrored.note
    assert "mirrored" not in clusters.note
