"""The symmetries of the square, compared with NumPy, and those that a point-spread function has."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from foci3d.optics.psf import PSF, SYMMETRY_TOLERANCE
from foci3d.optics.symmetries import Symmetry

IMAGE = torch.arange(12.0).view(3, 4)
FLIPS = {Symmetry.IDENTITY, Symmetry.FLIP_X, Symmetry.FLIP_Y, Symmetry.ROTATE_180}


def test_symmetries_are_those_of_numpy() -> None:
    expected = {
        "identity": IMAGE,
        "transpose": IMAGE.T,
        "flip_x": np.fliplr(IMAGE),
        "flip_y": np.flipud(IMAGE),
        "rotate_90": np.rot90(IMAGE),
        "rotate_180": np.rot90(IMAGE, 2),
        "rotate_270": np.rot90(IMAGE, 3),
        "antitranspose": np.rot90(IMAGE, 2).T,
    }
    for symmetry in Symmetry:
        np.testing.assert_array_equal(symmetry.apply(IMAGE), expected[symmetry])
        assert torch.equal(symmetry.undo(symmetry.apply(IMAGE)), IMAGE)


def test_products_are_those_of_images() -> None:
    for first in Symmetry:
        for second in Symmetry:
            assert torch.equal(first.then(second).apply(IMAGE), second.apply(first.apply(IMAGE)))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("astigmatic", FLIPS),
        ("comatic", {Symmetry.IDENTITY, Symmetry.FLIP_Y}),
        ("skewed", {Symmetry.IDENTITY}),
    ],
)
def test_symmetries_are_measured_from_the_kernels(
    make_asymmetric_psf: Callable[..., PSF], kind: str, expected: set[Symmetry]
) -> None:
    assert set(make_asymmetric_psf(kind, 9).symmetries) == expected


def test_kernels_of_an_angular_acceptance_have_all_symmetries(make_psf: Callable[..., PSF]) -> None:
    assert make_psf(13).symmetries == tuple(Symmetry)


@pytest.mark.parametrize(("share", "is_symmetric"), [(0.5, True), (1.5, False)])
def test_tolerance_is_relative_to_the_peak_of_each_kernel(
    make_psf: Callable[..., PSF], share: float, is_symmetric: bool
) -> None:
    psf = make_psf(13)
    kernels = psf.kernels.clone()
    kernels[-1, 3, 5] += share * SYMMETRY_TOLERANCE * kernels[-1].max()
    assert (replace(psf, kernels=kernels).symmetries == tuple(Symmetry)) == is_symmetric


def test_symmetries_are_a_group_where_errors_add_up(make_psf: Callable[..., PSF]) -> None:
    """Either flip changes the kernels by less than the tolerance, both together by more."""
    psf = make_psf(13)
    kernels = psf.kernels.clone()
    step = 0.8 * SYMMETRY_TOLERANCE * kernels.amax((1, 2))
    kernels[:, 2, 2] += step
    kernels[:, 2, -3] += 2 * step
    kernels[:, -3, 2] += 2 * step
    kernels[:, -3, -3] += 3 * step
    found = replace(psf, kernels=kernels).symmetries
    assert Symmetry.ROTATE_180 not in found
    assert {first.then(second) for first in found for second in found} == set(found)
