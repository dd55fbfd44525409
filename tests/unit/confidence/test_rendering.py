"""Rendering of fields by blocks, against the forward operator and SciPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve

from foci3d.confidence.rendering import relative_residual, render_layers
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF

DEPTHS_UM = np.array([150.0, 600.0])


def test_field_equals_the_forward_operator(make_psf: Callable[..., PSF]) -> None:
    psf, cells = make_psf(31), np.random.default_rng(0).random((2, 31, 31))
    forward = ForwardModel(psf, 31, 2, 1000.0).at(torch.tensor(DEPTHS_UM).float()[None])
    expected = forward.forward(torch.from_numpy(cells).float()[None])[0]
    rendered = render_layers(psf, 1000.0, 2, cells, DEPTHS_UM)
    torch.testing.assert_close(rendered[:2].sum(0), expected, atol=1e-5, rtol=1e-5)


def test_blocks_of_a_larger_field_have_no_seams(make_psf: Callable[..., PSF]) -> None:
    psf, cells = make_psf(31), np.random.default_rng(1).random((2, 70, 120))
    rendered = render_layers(psf, 1000.0, 1, cells, DEPTHS_UM[:, None, None] + 0 * cells)
    kernels = psf.interpolate(torch.tensor(DEPTHS_UM)).numpy()
    for index, kernel in enumerate(kernels):
        np.testing.assert_allclose(rendered[index, 0], fftconvolve(cells[index], kernel, "same"), atol=1e-4)
        even = fftconvolve(np.ones((70, 120)), kernel, "same")
        np.testing.assert_allclose(rendered[2 + index, 0], even, atol=1e-4)


def test_each_block_has_its_depths(make_psf: Callable[..., PSF]) -> None:
    psf, cells = make_psf(31), np.zeros((1, 51, 102))
    cells[0, 25, [25, 76]] = 1
    depths_um = np.repeat([200.0, 800.0], 51) * np.ones((1, 51, 1))
    peaks = render_layers(psf, 1000.0, 1, cells, depths_um)[0, 0, 25, [25, 76]].numpy()
    assert peaks == pytest.approx(psf.interpolate(torch.tensor([200.0, 800.0]))[:, 30, 30].numpy(), rel=0.02)


def test_residual_of_a_right_and_of_an_empty_answer(make_psf: Callable[..., PSF]) -> None:
    psf, cells = make_psf(31), np.zeros((2, 60, 60))
    cells[0, 5:20, 30:50], cells[1, 35:50, 10:30] = 1, 1
    measurement = np.tensordot([2.0, 3.0, 0.5, 0.1], render_layers(psf, 1000.0, 2, cells, DEPTHS_UM).numpy(), 1)
    assert relative_residual(psf, 1000.0, 7 * measurement, cells, DEPTHS_UM) < 1e-3
    wrong = relative_residual(psf, 1000.0, measurement, cells[::-1], DEPTHS_UM)
    assert 0.2 < wrong < 1.0
