"""A result that was written, read again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage.draw import polygon2mask

from foci3d.confidence.quality import Quality
from foci3d.errors import InputError
from foci3d.reconstruction.acquisition import AcquisitionReconstruction
from foci3d.reconstruction.foci import find_foci, round_foci
from foci3d.reconstruction.result_folder import read_result
from foci3d.reconstruction.volume import Reconstruction

QUALITY = Quality(0.5, 0.4, 1.25, 2.0, 0.1, "a note", 1)


def reconstruct(n_layers: int) -> Reconstruction:
    probability = np.random.default_rng(n_layers).random((n_layers, 8, 9), np.float32)
    depths_um, sds_um = tuple(100.0 * np.arange(1, n_layers + 1)), (12.5,) * n_layers
    foci = find_foci(probability, 0.7, depths_um, sds_um, 55.0)
    layers = (probability, depths_um, sds_um, (1.0,) * n_layers, foci, 0.7, 55.0, (0.0, 1000.0))
    return Reconstruction(np.random.default_rng(0).random((2, 8, 9), np.float32), *layers, QUALITY)


def test_a_series_is_read_as_it_was(tmp_path: Path) -> None:
    written = AcquisitionReconstruction((reconstruct(3), reconstruct(2)), 0.5, skipped={1: "dark"})
    written.save(tmp_path / "map")
    read = read_result(tmp_path / "map")
    assert (read.name, read.frame_interval_s, dict(read.skipped)) == ("map", 0.5, {1: "dark"})
    for frame, expected in zip(read.frames, written.frames, strict=True):
        for name in ("measurement", "probability", "depths_um", "depth_sds_um", "mask", "sensor_depths_um"):
            np.testing.assert_array_equal(getattr(frame, name), getattr(expected, name))
        pd.testing.assert_frame_equal(frame.foci, round_foci(expected.foci), check_dtype=False)
        assert frame.quality == QUALITY
    again = read_result(tmp_path / "map", 0.2).frames[0]
    assert (again.threshold, len(again.foci) != len(written.frames[0].foci)) == (0.2, True)


def test_files_of_two_results_are_refused(tmp_path: Path) -> None:
    frame = reconstruct(2)
    AcquisitionReconstruction((frame,)).save(tmp_path)
    quality = (tmp_path / "quality.csv").read_text()
    AcquisitionReconstruction((frame, replace(frame, quality=Quality()))).save(tmp_path)
    (tmp_path / "quality.csv").write_text(quality)
    with pytest.raises(InputError, match="found 1 frames in quality"):
        read_result(tmp_path)


def test_regions_are_the_foci_in_the_order_of_their_table() -> None:
    result = AcquisitionReconstruction((reconstruct(3), reconstruct(2)), skipped={1: "dark"})
    frames = [*result.by_number()]
    assert len(result.regions) == len(result.foci)
    for number, (region, focus) in enumerate(zip(result.regions, result.foci.itertuples(), strict=True), 1):
        assert (region.name, region.layer, region.frame) == (
            f"focus {number}, {focus.depth_um:.0f} um",
            focus.layer,
            focus.frame + 1,
        )
        inside = polygon2mask((8, 9), region.points[:, ::-1] - 0.5)
        mask = frames[focus.frame].mask[focus.layer - 1]
        assert inside.any()
        assert inside.sum() >= focus.area_um2 / 55**2
        assert (inside & mask).sum() >= focus.area_um2 / 55**2
