"""Measured kernels, on scans that `ray_sum` renders without the library's optics."""

import h5py
import numpy as np
import pytest
import ray_sum
import torch
from ray_sum import DEPTHS_UM, FWHM_DEG, PITCH_UM

from foci3d.calibration.acceptance_fit import fit_acceptance
from foci3d.calibration.empirical_psf import (
    calibrated_psf,
    measure_kernel_residuals,
    measurement_arrays,
    profile_table,
)
from foci3d.errors import InputError
from foci3d.optics.acceptance import acceptance_kernels
from foci3d.optics.psf import PSF, depth_grid


def distances(kernels, truth):
    """Share of the light of each kernel that is misplaced."""
    return np.abs(np.asarray(kernels) - truth).sum((1, 2)) / 2


@pytest.fixture(scope="module")
def residuals(fit):
    return measure_kernel_residuals(fit, 22)


@pytest.fixture(scope="module")
def ring():
    scan = ray_sum.make_scan(ray_sum.ring_acceptance, peak_electrons=20000, gain=0.05)
    fit = fit_acceptance(scan, 1.0)
    return fit, measure_kernel_residuals(fit, 22)


def test_profiles_agree_with_the_truth(residuals):
    table = profile_table(residuals)
    assert list(table.columns) == ["depth_um", "radius_um", "measured", "measured_se", "fitted", "residual"]
    assert (table["measured"] - table["fitted"] - table["residual"]).abs().max() < 1e-12
    truth = ray_sum.true_kernels(ray_sum.gaussian_acceptance(FWHM_DEG), DEPTHS_UM, 26)
    pixels = (table["radius_um"] / PITCH_UM).round().astype(int)
    frames = np.searchsorted(DEPTHS_UM, table["depth_um"])
    scores = (table["measured"] - truth[frames, 25, 25 + pixels]) / table["measured_se"]
    assert 0.6 < scores.std() < 1.3
    assert (scores.abs() < 4).all()


@pytest.mark.parametrize(("kernel_model", "tolerance"), [("parametric", 0.03), ("radial", 0.03), ("empirical", 0.08)])
def test_kernels_follow_the_conventions(fit, residuals, kernel_model, tolerance):
    depths_um = depth_grid([25, 1000], 65)
    psf = calibrated_psf(fit, residuals, kernel_model, depths_um, 20, PITCH_UM)
    assert psf.kernels.shape == (16, 39, 39)
    assert psf.kernels.dtype == torch.float32
    assert psf.kernels.min() >= 0
    torch.testing.assert_close(psf.kernels.sum((1, 2)), torch.ones(16))
    truth = ray_sum.true_kernels(ray_sum.gaussian_acceptance(FWHM_DEG), depths_um.tolist(), 20)
    assert distances(psf.kernels, truth).max() < tolerance
    assert (psf.attributes["source"], psf.attributes["kernel_model"], psf.attributes["n_beads"]) == (
        "scan",
        kernel_model,
        3,
    )
    assert psf.attributes["fwhm_deg"] == fit.acceptance.fwhm_deg
    assert psf.attributes["standoff_se_um"] == fit.standoff_se_um


def test_measured_profile_shows_what_the_model_misses(ring):
    fit, residuals = ring
    depths_um = torch.tensor([400.0, 550.0, 700.0, 850.0, 1000.0], dtype=torch.float64)
    truth = ray_sum.true_kernels(ray_sum.ring_acceptance, depths_um.tolist(), 20)
    parametric, radial, empirical = (
        distances(calibrated_psf(fit, residuals, kernel_model, depths_um, 20, PITCH_UM).kernels, truth)
        for kernel_model in ("parametric", "radial", "empirical")
    )
    assert (radial < 0.3 * parametric).all()
    assert (empirical < 0.3 * parametric).all()


def test_measured_image_shows_what_is_not_round():
    scan = ray_sum.make_scan(ray_sum.oval_acceptance, peak_electrons=20000, gain=0.05)
    fit = fit_acceptance(scan, 1.0)
    residuals = measure_kernel_residuals(fit, 22)
    depths_um = torch.tensor([200.0, 300.0, 400.0], dtype=torch.float64)
    truth = ray_sum.true_kernels(ray_sum.oval_acceptance, depths_um.tolist(), 20)
    radial, empirical = (
        distances(calibrated_psf(fit, residuals, kernel_model, depths_um, 20, PITCH_UM).kernels, truth)
        for kernel_model in ("radial", "empirical")
    )
    assert (empirical < 0.5 * radial).all()


def test_kernels_at_the_scans_depths_are_the_measured_ones(fit, residuals):
    kernels = calibrated_psf(fit, residuals, "empirical", torch.from_numpy(residuals.depths_um), 23, PITCH_UM).kernels
    expected = (residuals.parametric + residuals.empirical).clip(0)
    np.testing.assert_allclose(kernels, expected / expected.sum((1, 2), keepdims=True), atol=1e-6)


def test_pitch_of_the_scan_may_differ_from_that_of_the_imager():
    """Kernels at 55 um from a scan whose pixels are 40 um apart."""
    scan = ray_sum.make_scan(ray_sum.ring_acceptance, pitch_um=40.0, peak_electrons=20000, gain=0.05)
    fit = fit_acceptance(scan, 1.0)
    residuals = measure_kernel_residuals(fit, 27)
    depths_um = torch.tensor([200.0, 400.0], dtype=torch.float64)
    truth = ray_sum.true_kernels(ray_sum.ring_acceptance, [200, 400], 20)
    parametric, radial = (
        distances(calibrated_psf(fit, residuals, kernel_model, depths_um, 20, PITCH_UM).kernels, truth)
        for kernel_model in ("parametric", "radial")
    )
    assert (radial < 0.5 * parametric).all()


@pytest.mark.parametrize("depth_range_um", [[20, 1000], [25, 1001]])
def test_measured_kernels_outside_the_scan_are_refused(fit, residuals, depth_range_um):
    depths_um = depth_grid(depth_range_um, 100)
    with pytest.raises(InputError, match="is not within the depths of the scan, 25 to 1000 um; scan more"):
        calibrated_psf(fit, residuals, "radial", depths_um, 20, PITCH_UM)
    model = calibrated_psf(fit, residuals, "parametric", depths_um, 20, PITCH_UM)
    assert torch.equal(model.kernels, acceptance_kernels(fit.acceptance, depths_um, 20, PITCH_UM).float())


def test_the_file_of_the_psf_holds_the_measurement(fit, residuals, tmp_path):
    psf = calibrated_psf(fit, residuals, "parametric", depth_grid([25, 1000], 100), 20, PITCH_UM)
    psf.save(tmp_path / "psf.h5", measurement_arrays(residuals))
    assert PSF.load(tmp_path / "psf.h5").attributes["fwhm_se_deg"] == fit.fwhm_se_deg
    with h5py.File(tmp_path / "psf.h5") as file:
        assert file["measured_depths_um"][:].tolist() == list(DEPTHS_UM)
        np.testing.assert_array_equal(file["measured_kernels"], residuals.parametric + residuals.empirical)
        np.testing.assert_array_equal(file["profiles"], residuals.fitted_profile + residuals.profile)
