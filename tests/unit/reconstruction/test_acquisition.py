"""Reconstructed acquisitions in files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from foci3d.confidence.quality import Quality
from foci3d.reconstruction.acquisition import AcquisitionReconstruction
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
