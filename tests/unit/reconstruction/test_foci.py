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
    assert foci[COLUMNS[:7]].iloc[0].tolist() == pytest.approx(expected)
    assert foci["cell"].tolist() == [1]
    assert 0 < foci["y_sd_um"].item() < foci["x_sd_um"].item() < 55


def test_centroids_of_certain_pixels_are_certain_to_a_share_of_a_pixel() -> None:
    probability = np.zeros((1, 20, 20))
    probability[0, 4:8, 4:8] = 1.0
    assert find_foci(probability, 0.5, [100.0], [5.0], 1.0)["x_sd_um"].item() == pytest.approx((12 * 16) ** -0.5)


def test_a_cell_in_two_layers_has_one_number_and_one_depth() -> None:
    probability = np.zeros((3, 20, 20))
    probability[0, 4:8, 4:8], probability[1, 4:8, 5:9], probability[2, 4:8, 4:8] = 0.9, 0.6, 0.8
    probability[1, 15, 15] = 0.7
    foci = find_foci(probability, 0.5, [100.0, 160.0, 700.0], [30.0, 30.0, 20.0], 1.0)
    assert foci["cell"].tolist() == [1, 1, 2, 3]  # layers 1, 2, 2 and 3
    assert foci["depth_um"].tolist() == pytest.approx([124, 124, 160, 700])
    assert foci["depth_sd_um"][0] == pytest.approx((30**2 + 0.6 * 24**2 + 0.4 * 36**2) ** 0.5)


def test_cells_one_above_the_other_are_two() -> None:
    probability = np.zeros((2, 20, 20))
    probability[0, 4:8, 4:8], probability[1, 7:13, 7:13] = 0.9, 0.9
    assert find_foci(probability, 0.5, [100.0, 110.0], [30.0, 30.0], 1.0)["cell"].tolist() == [1, 2]
    probability[1] = probability[0]
    assert find_foci(probability, 0.5, [100.0, 300.0], [30.0, 30.0], 1.0)["cell"].tolist() == [1, 2]


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
