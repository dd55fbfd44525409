"""Alignment from single cells, seen through another simulator."""

import numpy as np
import pytest
import scenes
from conditions import cells, described_psf
from imager import Imperfections, measure

from foci3d.errors import InputError
from foci3d.reconstruction import cell_alignment
from foci3d.reconstruction.cell_alignment import align_cells


def layers_of_cells():
    scene = scenes.make_scene(scenes.smooth_discs, 0)
    return measure(scene.layers, scene.depths_um)


@pytest.fixture(scope="module")
def long_psf():
    return described_psf()


def test_all_deviations_at_once(long_psf):
    flaws = Imperfections(gain_b=0.8, shift_b_px=(2.4, -1.8), rotation_b_deg=2.0, separation_error_um=50)
    found, errors = align_cells([cells(seed, flaws) for seed in (0, 1)], long_psf, 1000.0)
    deviations = abs(found - [0.8, 2.4, -1.8, 2.0, 1.05])
    assert (deviations < [0.01, 0.02, 0.02, 0.05, 0.005]).all()  # 5 um of the separation
    assert (deviations < 4 * errors).all()
    assert (errors < 0.06).all()


def test_a_cell_that_one_sensor_sees_elsewhere_is_an_outlier():
    """Pairs are those of the shift that most agree on, and a wrong depth has no weight."""
    rng = np.random.default_rng(0)
    a = np.column_stack([rng.uniform(-20, 20, (12, 2)), rng.uniform(100, 900, 12), np.zeros(12)])
    b = a + np.array([-4.0, 3.0, 0, 0])
    b[:, 2] = 1020 - a[:, 2]
    b[0, 2] += 150
    errors = np.full((12, 4), 0.5)
    shift = cell_alignment._most_frequent_shift([((a, errors), (b, errors))], 1000.0)
    np.testing.assert_allclose(shift, [4, -3], atol=1e-9)
    first = np.array([1, *shift, 0, 1])
    pairs = cell_alignment._pair((a, errors), (b[::-1], errors), first, 1000.0, 1.0)
    assert len(pairs[0]) == 12
    parameters, _, _, _ = cell_alignment._fit(*pairs, first, 1000.0)
    assert parameters[4] == pytest.approx(1.02, abs=1e-3)


def test_cells_of_some_size_are_farther_where_they_are_close():
    rng = np.random.default_rng(0)
    a = np.column_stack([rng.uniform(-20, 20, (30, 2)), rng.uniform(50, 950, 30), np.zeros(30)])
    b = a.copy()
    for cells_of_sensor, distances in ((a, a[:, 2]), (b, 1000 - a[:, 2])):
        cells_of_sensor[:, 2] = np.sqrt(distances**2 + 60.0**2)
    parameters, _, size, error = cell_alignment._fit(a, b, np.full((30, 4), 0.1), np.array([1, 0, 0, 0, 1.0]), 1000.0)
    assert parameters[4] == pytest.approx(1, abs=1e-4)
    assert size * cell_alignment.SIZE_UNIT_UM2 == pytest.approx(60.0**2, rel=0.01)
    assert size > cell_alignment.MAX_SIZE_ERRORS * error


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([cells(0, Imperfections(), count=2)], "found 2 cells that both sensors see; expected at least 6"),
        ([layers_of_cells()], "acquisition 1, sensor A: single cells leave"),
    ],
)
def test_acquisitions_that_do_not_determine_it(long_psf, images, message):
    with pytest.raises(InputError, match=message):
        align_cells(images, long_psf, 1000.0)
