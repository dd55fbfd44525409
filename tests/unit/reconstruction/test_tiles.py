"""Fields by tiles, with predictions that are known for the whole field."""

import tracemalloc
from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from foci3d.errors import InputError
from foci3d.io.samples import NumpyOutputs, Outputs
from foci3d.reconstruction.tiles import Tiling, has_light_beyond, predict_field, spread

TILING = Tiling(n_pixels=51, cut=8, ramp=8)


def smooth(images: np.ndarray) -> np.ndarray:
    """A prediction that sees 4 pixels around each, and darkness beyond a border: (N, S, P, P) to (N, S, P, P)."""
    return ndimage.uniform_filter(images, (0, 0, 9, 9), mode="constant")


def field(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize("extents", [(51, 51), (52, 90), (200, 131), (512, 512)])
def test_field_is_the_prediction_for_the_whole(extents: tuple[int, int]) -> None:
    measurement = field(2, *extents)
    output = predict_field(lambda tiles: Outputs(output=smooth(tiles)), measurement, TILING)[0]
    np.testing.assert_allclose(output, smooth(measurement[None])[0], atol=1e-3)


def test_field_is_the_prediction_of_each_tile_away_from_its_borders() -> None:
    """Each tile has a prediction of its own, as with a network that divides by the mean of the tile."""
    predictions: list[np.ndarray] = []

    def predict(tiles: np.ndarray) -> NumpyOutputs:
        output = tiles / tiles.mean((1, 2, 3), keepdims=True)
        predictions.extend(output)
        return Outputs(output=output)

    measurement = field(2, 512, 512) * np.linspace(1, 3, 512, dtype=np.float32)
    output = predict_field(predict, measurement, TILING)[0]
    starts, profiles = TILING.starts(512), TILING.weights(512)
    assert len(predictions) == len(starts) ** 2 == 19**2
    for (y, x), (along_y, along_x), prediction in zip(
        product(starts, starts), product(profiles, profiles), predictions, strict=True
    ):
        alone = np.outer(along_y, along_x) == 1
        assert alone[18:33, 18:33].all()
        np.testing.assert_allclose(output[:, y : y + 51, x : x + 51][:, alone], prediction[:, alone], rtol=1e-5)
    assert np.abs(np.diff(output / measurement, axis=-1)).max() < 0.05  # 0.2 without ramps


def test_values_of_layers_become_smooth_maps() -> None:
    measurement = np.broadcast_to(np.arange(160, dtype=np.float32), (1, 160, 160))
    output, values = predict_field(
        lambda tiles: Outputs(output=tiles, occupancy=tiles[:, 0, :2, 25]), measurement, TILING
    )
    np.testing.assert_allclose(output, measurement, rtol=1e-5)
    depths = spread(values["occupancy"], (160, 160), TILING)
    assert depths.shape == (2, 160, 160)
    rows = depths[:, 40]
    assert (rows[:, 0], rows[:, -1]) == (pytest.approx([25, 25]), pytest.approx([134, 134]))
    assert (np.diff(rows, axis=1) >= 0).all()
    assert np.diff(rows, axis=1).max() < 5


def test_memory_does_not_grow_with_the_number_of_tiles() -> None:
    measurement = np.ones((2, 1024, 1024), np.float32)
    tracemalloc.start()
    predict_field(lambda tiles: Outputs(output=tiles), measurement, TILING)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * measurement.nbytes


def test_edges_are_continued_by_their_mirror_image() -> None:
    measurement = field(2, 52, 90)
    output = predict_field(lambda tiles: Outputs(output=smooth(tiles)), measurement, TILING, n_mirrored=8)[0]
    assert output.shape == measurement.shape
    expected = ndimage.uniform_filter(measurement, (0, 9, 9), mode="reflect")
    np.testing.assert_allclose(output, expected, atol=1e-3)


def test_light_that_falls_off_towards_the_edges_comes_from_inside() -> None:
    cells = np.ones((2, 120, 120))
    seen = ndimage.gaussian_filter(cells, (0, 3, 3), mode="constant")
    assert not has_light_beyond(seen)
    assert has_light_beyond(ndimage.gaussian_filter(cells, (0, 3, 3), mode="reflect"))


def test_field_smaller_than_a_tile_is_refused() -> None:
    with pytest.raises(InputError, match="found 200 x 50 pixels; expected at least 51 x 51"):
        predict_field(lambda tiles: Outputs(output=tiles), field(1, 200, 50), TILING)


def test_tiles_without_a_middle_are_refused() -> None:
    with pytest.raises(ValueError, match="no middle"):
        Tiling(n_pixels=51, cut=20, ramp=8)
