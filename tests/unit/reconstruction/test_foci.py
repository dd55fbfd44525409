"""Foci: positions, sizes and probabilities, against SciPy and closed forms."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from foci3d.reconstruction.foci import COLUMNS, find_foci, round_foci

DEPTHS_UM = [110.0, 371.0]
SDS_UM = [50.0, 60.0]


def test_one_rectangle() -> None:
    probability = np.zeros((2, 51, 51), np.float32)
    probability[1, 10:14, 20:30] = 0.8
    foci = find_foci(probability, 0.5, DEPTHS_UM, SDS_UM, 55.0)
    assert len(foci) == 1
    expected = [2, 371, 60, 12 * 55, 25 * 55, 40 * 55**2, 0.8]
    assert foci.iloc[0].tolist() == pytest.approx(expected)


def test_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    probability = ndimage.gaussian_filter(rng.random((2, 51, 51)), (0, 2, 2))
    threshold = float(np.quantile(probability, 0.7))
    foci = find_foci(probability, threshold, DEPTHS_UM, SDS_UM, 10.0)
    for layer in (0, 1):
        mask = probability[layer] > threshold
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        index = range(1, count + 1)
        found = foci[foci.layer == layer + 1].sort_values(["y_um", "x_um"])
        centres = (np.array(ndimage.center_of_mass(mask, labels, index)) + 0.5) * 10
        order = np.lexsort(centres.T[::-1])
        np.testing.assert_allclose(found[["y_um", "x_um"]], centres[order])
        np.testing.assert_allclose(found.area_um2, ndimage.sum(mask, labels, index)[order] * 100)
        np.testing.assert_allclose(found.probability, ndimage.mean(probability[layer], labels, index)[order])
        assert foci[foci.layer == layer + 1].area_um2.is_monotonic_decreasing


def test_depth_of_a_focus_is_the_mean_of_a_map_over_it() -> None:
    probability = np.zeros((1, 20, 20))
    probability[0, 2:4, 2:6], probability[0, 10:12, 10:14] = 0.9, 0.8
    depths_um = np.arange(400.0).reshape(1, 20, 20)
    foci = find_foci(probability, 0.5, depths_um, 0 * depths_um + 7, 1.0)
    expected = [depths_um[0, 2:4, 2:6].mean(), depths_um[0, 10:12, 10:14].mean()]
    assert sorted(foci.depth_um) == pytest.approx(expected)
    assert set(foci.depth_sd_um) == {7.0}


def test_corners_connect_and_the_threshold_itself_is_no_cell() -> None:
    probability = np.zeros((1, 9, 9))
    probability[0, [2, 3], [2, 3]] = 0.9
    probability[0, 7, 7] = 0.5
    foci = find_foci(probability, 0.5, [100.0], [1.0], 1.0)
    assert foci.area_um2.tolist() == [2.0]


def test_no_foci() -> None:
    foci = find_foci(np.zeros((2, 51, 51)), 0.5, DEPTHS_UM, SDS_UM, 55.0)
    assert foci.empty
    assert list(foci.columns) == COLUMNS


def test_written_digits_are_those_that_mean_something() -> None:
    row = {"layer": 1, "depth_um": np.float32(186.46983), "area_um2": 4059550.0, "probability": 0.95424}
    table = pd.DataFrame([row | {"brightness": 33312.7, "brightness_sd": 0.0123456}])
    assert round_foci(table).to_csv(index=False).splitlines()[1] == "1,186.5,4059550.0,0.954,33310.0,0.01235"
