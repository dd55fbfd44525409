"""Reconstructed acquisitions in files."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch

from foci3d.confidence.quality import Quality
from foci3d.config.samples import Acquisition, make_acquisition
from foci3d.learning.model import Model
from foci3d.learning.model_file import ModelDescription
from foci3d.reconstruction.acquisition import (
    RESUME_FOLDER,
    AcquisitionReconstruction,
    forget_frames,
    reconstruct_acquisition,
)
from foci3d.reconstruction.foci import find_foci
from foci3d.reconstruction.frame_store import FrameStore
from foci3d.reconstruction.volume import Reconstruction


def frame(n_layers: int) -> Reconstruction:
    """A frame in which the probability is 0.1 in the first layer, 0.2 in the second, and so on."""
    depths_um = tuple(100.0 * layer for layer in range(1, n_layers + 1))
    probability = np.repeat(np.arange(1, n_layers + 1, dtype=np.float32) / 10, 25).reshape(-1, 5, 5)
    return Reconstruction(
        measurement=np.ones((2, 5, 5)),
        probability=probability,
        depths_um=depths_um,
        depth_sds_um=depths_um,
        occupancy=(1.0,) * n_layers,
        foci=find_foci(probability, 0.15, depths_um, depths_um, 55.0),
        threshold=0.15,
        pixel_pitch_um=55.0,
        sensor_depths_um=(0.0, 1000.0),
        quality=Quality(),
    )


def test_frames_may_differ_in_their_number_of_layers(tmp_path: Path) -> None:
    AcquisitionReconstruction((frame(1), frame(3)), skipped={1: "dark"}).save(tmp_path)
    with tifffile.TiffFile(tmp_path / "volume.ome.tif") as file:
        volume, mask, description = file.asarray(), file.series[1].asarray(), file.ome_metadata
    nan = np.nan
    np.testing.assert_allclose(volume[:, 0, :, 0, 0], [[0.1, nan, nan], [nan] * 3, [0.1, 0.2, 0.3]], rtol=1e-6)
    np.testing.assert_allclose(volume[:, 1], volume[:, 0])  # the uncertainty of a low probability
    np.testing.assert_array_equal(mask[..., 0, 0], [[0, 0, 0], [0, 0, 0], [0, 1, 1]])
    assert "nan nan 300" in description


def test_tiles_of_large_fields_are_in_a_table(tmp_path: Path) -> None:
    tiles = np.array([[0, 0, 51, 1.0, 0.3], [-8, 20, 51, 3.0, 0.1]])
    field = replace(frame(1), tiles=tiles, quality=Quality(score=1.0, score_threshold=2.0, error_threshold=0.2))
    AcquisitionReconstruction((field, field), skipped={1: "dark"}).save(tmp_path)
    table, flags = pd.read_csv(tmp_path / "tiles.csv"), ["out_of_distribution", "flagged"]
    assert [*table] == ["frame", "y_px", "x_px", "n_pixels", "score", "expected_error", *flags]
    assert table["frame"].tolist() == [0, 0, 2, 2]
    assert table["out_of_distribution"].tolist() == ["no", "yes"] * 2
    assert set(table["flagged"]) == {"yes"}
    AcquisitionReconstruction((frame(1),)).save(tmp_path)
    assert not (tmp_path / "tiles.csv").exists()


def test_frames_on_the_disk_are_written_like_those_in_memory(tmp_path: Path) -> None:
    store = FrameStore(tmp_path / "frames", "settings")
    frames = [replace(frame(n_layers), measurement=np.full((2, 5, 5), n_layers, float)) for n_layers in (1, 3)]
    for each in frames:
        store.add([each.measurement], lambda _, each=each: each)
    for name, kept in (("memory", frames), ("disk", store)):
        AcquisitionReconstruction(kept, skipped={1: "dark"}).save(tmp_path / name)
    for path in (tmp_path / "memory").iterdir():
        assert path.read_bytes() == (tmp_path / "disk" / path.name).read_bytes()


@pytest.fixture
def model(model_description: ModelDescription) -> Model:
    torch.manual_seed(0)
    return Model(model_description.build_network().eval(), model_description)


def write_images(folder: Path, shape: tuple[int, ...], blank: int | None = None) -> Acquisition:
    """Images `(T, Y, X)` or `(Y, X)` of two sensors, of which one frame may be blank."""
    for name in "ab":
        images = np.random.default_rng(1).uniform(100, 4000, shape).astype(np.float32)
        if blank is not None:
            images[blank] = 0
        axes = {"axes": "TYX"[-len(shape) :]}
        tifffile.imwrite(folder / f"{name}.tif", images, photometric="minisblack", metadata=axes)
    paths = {f"sensor_{name}": str(folder / f"{name}.tif") for name in "ab"}
    return make_acquisition({"sample": "cells", "pixel_pitch_um": 55.0, **paths})


@pytest.mark.parametrize(("blank", "used"), [(0, [1, 2]), (1, [0, 2])])
def test_the_truth_is_that_of_frame_0(
    blank: int, used: list[int], model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where frame 0 is skipped, nothing is compared; lines of the log have the numbers of the frames in the files."""
    (tmp_path / "truth.csv").write_text("depth_um,y_um,x_um\n100,200,200\n")
    acquisition = write_images(tmp_path, (3, 13, 13), blank)
    with caplog.at_level(logging.INFO):
        result = reconstruct_acquisition(
            acquisition.model_copy(update={"truth": str(tmp_path / "truth.csv")}), model, threshold=0.4
        )
    logged = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[0] for line in logged if line.startswith("cells, frame")] == [
        f"cells, frame {number}" for number in used
    ]
    assert result.numbers == used
    compared = [line for line in logged if "truth: " in line]
    if blank:
        assert result.truth_of_first is result.truth is not None
        assert compared == [f"cells: {result.truth.compare(result.frames[0])}"]
    else:
        assert result.truth_of_first is None
        expected = f"not compared with the truth: it is that of frame 0, which was skipped: {result.skipped[0]}"
        assert compared == [f"cells: {expected}"]
        assert result.compare_with_truth() == expected
    assert result.foci["frame"].isin(used).all()
    assert replace(result, truth=None).compare_with_truth() == ""


def test_tiles_of_a_field_are_kept_until_its_result_is_written(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquisition, folder = write_images(tmp_path, (20, 17)), tmp_path / "out" / RESUME_FOLDER
    first = reconstruct_acquisition(acquisition, model, resume_folder=folder)
    monkeypatch.setattr(Model, "predict_all", lambda *_: pytest.fail("tiles are predicted again"))
    again = reconstruct_acquisition(acquisition, model, resume_folder=folder)
    np.testing.assert_array_equal(again.frames[0].probability, first.frames[0].probability)
    forget_frames(tmp_path / "out")
    assert not folder.exists()


def test_tiles_of_a_series_are_kept_until_their_frame_is(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "out" / RESUME_FOLDER
    reconstruct_acquisition(write_images(tmp_path, (2, 20, 17)), model, resume_folder=folder)
    assert [path.suffix for path in folder.iterdir()] == [".npz", ".npz"]
