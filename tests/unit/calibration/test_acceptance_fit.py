"""The fit of the acceptance, on scans that `ray_sum` renders without the library's optics."""

from dataclasses import replace

import numpy as np
import pytest
import ray_sum
from ray_sum import BEADS, DEPTHS_UM, FWHM_DEG, PITCH_UM, STANDOFF_UM

from foci3d.calibration.acceptance_fit import fit_acceptance, half_maximum_slope, width_table
from foci3d.errors import InputError


def test_fit_recovers_optics_and_noise(scan, fit):
    assert fit.acceptance.fwhm_deg == pytest.approx(FWHM_DEG, rel=0.02)
    assert fit.acceptance.standoff_um == pytest.approx(STANDOFF_UM, abs=10)
    assert fit.acceptance.linear_fill_factor == 1.0
    centres = fit.frames[0].centres
    centres = centres[np.argsort(centres[:, 1])]
    np.testing.assert_allclose(centres, [bead[:2] for bead in sorted(BEADS, key=lambda bead: bead[1])], atol=0.1)
    # gain 0.5, background 100 and read noise 20 electrons
    variance, residuals = (np.array([getattr(each, name) for each in fit.frames]) for name in ("variance", "residual"))
    assert variance.min() == pytest.approx(0.5**2 * (100 + 20**2), rel=0.1)
    assert variance.max() == pytest.approx(0.5**2 * (600 + 20**2), rel=0.5)
    assert (residuals**2 / variance).mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("fwhm_deg", "standoff_um", "linear_fill_factor"), [(18, 0, 1.0), (60, 80, 0.6)])
def test_fit_finds_other_optics_without_noise(fwhm_deg, standoff_um, linear_fill_factor):
    acceptance = ray_sum.gaussian_acceptance(fwhm_deg)
    light = ray_sum.expected_frames(DEPTHS_UM, BEADS[:1], 27, 40.0, standoff_um, linear_fill_factor, acceptance)
    fit = fit_acceptance(ray_sum.to_frames(1000 * light + 50, DEPTHS_UM, 40.0), linear_fill_factor)
    assert fit.acceptance.fwhm_deg == pytest.approx(fwhm_deg, rel=2e-3)
    assert fit.acceptance.standoff_um == pytest.approx(standoff_um, abs=0.7)


@pytest.mark.parametrize(
    ("frames", "depths_um"),
    [(slice(3, None, -1), [25, 80, 200, 400]), (slice(0, 3), [1025, 1080, 1200])],
    ids=["far frames first", "depths from elsewhere"],
)
def test_images_that_do_not_widen_with_depth_are_refused(frames, depths_um):
    scan = ray_sum.make_scan(peak_electrons=5000)
    pairs = zip(scan[frames], depths_um, strict=True)
    misordered = [replace(frame, depth_um=float(depth_um)) for frame, depth_um in pairs]
    with pytest.raises(InputError, match=r"scan.tif: the images of the beads do not widen with depth as expected"):
        fit_acceptance(misordered, 1.0)


def test_intervals_cover_the_truth_at_their_rate():
    """95 % intervals over 40 scans; fewer than 33 hits have a chance of 0.1 % at the stated rate."""
    depths_um = np.array([25.0, 80.0, 200.0, 500.0])
    acceptance = ray_sum.gaussian_acceptance(36.0)
    light = ray_sum.expected_frames(depths_um, [(12.3, 11.8, 1)], 25, PITCH_UM, 20.0, 1.0, acceptance)
    scores = []
    for seed in range(40):
        frames = ray_sum.readings(light, np.random.default_rng(seed)).astype(float)
        fit = fit_acceptance(ray_sum.to_frames(frames, depths_um), 1.0)
        scores.append(
            [
                (fit.acceptance.fwhm_deg - 36) / fit.fwhm_se_deg,
                (fit.acceptance.standoff_um - 20) / fit.standoff_se_um,
            ]
        )
    hits = (np.abs(scores) < 1.96).sum(0)
    assert (hits >= 33).all()
    assert np.std(scores, axis=0) == pytest.approx([1, 1], abs=0.3)
    assert np.abs(np.mean(scores, axis=0)).max() < 0.45


def test_a_dim_scan_gives_wider_intervals(fit):
    dim = fit_acceptance(ray_sum.make_scan(peak_electrons=250), 1.0)
    assert dim.fwhm_se_deg == pytest.approx(2 * fit.fwhm_se_deg, rel=0.2)


def test_widths(fit):
    table = width_table(fit)
    assert list(table.columns) == ["depth_um", "fwhm_um", "fwhm_se_um", "fitted_fwhm_um"]
    slope = half_maximum_slope(FWHM_DEG)
    angle = np.arctan(slope)
    assert 0.5 ** ((2 * angle / np.radians(36)) ** 2) * np.cos(angle) ** 3 == pytest.approx(0.5)
    truth = 2 * slope * (np.array(DEPTHS_UM) + STANDOFF_UM)
    np.testing.assert_allclose(table["fitted_fwhm_um"], truth, rtol=0.03, atol=5)
    scores = (table["fwhm_um"] - truth) / table["fwhm_se_um"]
    assert scores.abs().max() < 4
    assert (table["fwhm_se_um"] < 6).all()


def test_a_width_of_its_own_shows_a_depth_that_is_off():
    scan = ray_sum.make_scan(peak_electrons=20000, gain=0.05)
    scan[3] = replace(scan[3], depth_um=scan[3].depth_um - 30)
    table = width_table(fit_acceptance(scan, 1.0))
    excess_um = table["fwhm_um"] - table["fitted_fwhm_um"]
    assert excess_um[3] == pytest.approx(2 * half_maximum_slope(FWHM_DEG) * 30, rel=0.3)
    assert excess_um.drop(3).abs().max() < 0.5 * excess_um[3]
