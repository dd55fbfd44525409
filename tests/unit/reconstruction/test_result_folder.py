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
from foci3d.reconstruction.cells import FieldFit, cell_table
from foci3d.reconstruction.foci import find_foci, round_foci
from foci3d.reconstruction.focus_depths import FITTED_NOTE
from foci3d.reconstruction.result_folder import read_result
from foci3d.reconstruction.thick import body_table
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


def localize(n_cells: int) -> Reconstruction:
    """Single cells, one for each slab of depth."""
    frame = reconstruct(3)
    points = np.stack([[1.0 + number, 2, 100 * (number + 1), 5, 0] for number in range(n_cells)])
    fit = FieldFit(points, np.full_like(points, 0.1), False, 1.0)
    return replace(frame, foci=cell_table(fit, np.arange(n_cells), 55.0), specimen="cells")


def stack_bodies() -> Reconstruction:
    """A volume of two bodies, of which a high threshold cuts one into three."""
    probability = np.zeros((6, 8, 9), np.float32)
    probability[:2, :2, :2], probability[2:, 4:, 4:], probability[2::2, 4:, 4:] = 0.9, 0.6, 0.8
    depths_um = 25.0 + 50 * np.arange(6)
    foci = body_table(probability, 0.5, depths_um, 55.0)
    layers = (probability, tuple(depths_um.tolist()), (40.0,) * 6, (1.0,) * 6, foci, 0.5, 55.0, (0.0, 300.0))
    return Reconstruction(np.ones((2, 8, 9), np.float32), *layers, Quality(note="a volume"), specimen="volume")


def test_frames_of_cells_and_of_layers_are_read_as_they_were(tmp_path: Path) -> None:
    written = AcquisitionReconstruction((localize(2), reconstruct(2)), skipped={1: "dark"})
    written.save(tmp_path)
    assert pd.read_csv(tmp_path / "quality.csv", keep_default_na=False)["specimen"].tolist() == ["cells", "", "layers"]
    for frames in (read_result(tmp_path).frames, read_as_version_0_3(tmp_path).frames):
        assert [frame.specimen for frame in frames] == ["cells", "layers"]
        for frame, expected in zip(frames, written.frames, strict=True):
            pd.testing.assert_frame_equal(frame.foci, round_foci(expected.foci), check_dtype=False)
    cells, layers = read_result(tmp_path, 0.2).frames
    pd.testing.assert_frame_equal(cells.foci, round_foci(localize(2).foci), check_dtype=False)
    assert len(layers.foci) != len(written.frames[1].foci)


def read_as_version_0_3(folder: Path) -> AcquisitionReconstruction:
    """Read a result without the column that version 0.3 did not write."""
    pd.read_csv(folder / "quality.csv").drop(columns="specimen").to_csv(folder / "quality.csv", index=False)
    read = read_result(folder)
    read.save(folder)
    return read


@pytest.mark.parametrize("frame", [reconstruct(2), localize(2), stack_bodies()], ids=lambda frame: frame.specimen)
def test_results_of_version_0_3_are_read(frame: Reconstruction, tmp_path: Path) -> None:
    AcquisitionReconstruction((frame,)).save(tmp_path)
    (read,) = read_as_version_0_3(tmp_path).frames
    assert read.specimen == frame.specimen


def test_bodies_of_a_volume_are_found_at_another_threshold(tmp_path: Path) -> None:
    AcquisitionReconstruction((stack_bodies(),)).save(tmp_path)
    (same,), (other,) = read_result(tmp_path).frames, read_result(tmp_path, 0.7).frames
    assert len(same.foci) == 2
    assert other.specimen == "volume"
    expected = body_table(other.probability, 0.7, np.array(other.depths_um), 55.0)
    pd.testing.assert_frame_equal(other.foci, expected)
    assert len(other.foci) == 3


def test_depths_that_were_fitted_are_kept_or_the_note_says_that_they_are_not(tmp_path: Path) -> None:
    frame = reconstruct(2)
    quality = replace(QUALITY, note=f"a note; {FITTED_NOTE}")
    fitted = replace(frame, foci=frame.foci.assign(depth_um=333.0), quality=quality)
    AcquisitionReconstruction((fitted,)).save(tmp_path)
    for threshold in (None, 0.7):
        (read,) = read_result(tmp_path, threshold).frames
        assert set(read.foci["depth_um"]) == {333.0}
        assert read.quality == quality
    (read,) = read_result(tmp_path, 0.6).frames
    assert 333.0 not in set(read.foci["depth_um"])
    assert read.quality.note == "a note; depths of foci not fitted to the measurement at this threshold"


def test_an_unknown_kind_of_specimen_is_refused(tmp_path: Path) -> None:
    AcquisitionReconstruction((reconstruct(2),)).save(tmp_path)
    text = (tmp_path / "quality.csv").read_text()
    (tmp_path / "quality.csv").write_text(text.replace("layers", "auto"))
    with pytest.raises(InputError, match=r"found the specimen auto; expected one of layers, cells, volume"):
        read_result(tmp_path)


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
