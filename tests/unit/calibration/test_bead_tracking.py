"""Beads that drift, leave the field or change from frame to frame, on scans that `ray_sum` renders."""

from dataclasses import replace

import numpy as np
import pytest
import ray_sum
from ray_sum import BEADS, PITCH_UM

from foci3d.calibration.acceptance_fit import fit_acceptance
from foci3d.calibration.bead_tracking import follow_beads
from foci3d.calibration.empirical_psf import measure_kernel_residuals
from foci3d.errors import InputError

DEPTHS_UM = np.array([25.0, 80.0, 200.0, 500.0, 800.0])
FWHM_DEG, STANDOFF_UM, N_PIXELS = 34.5, 40.0, 45


def render(beads_of_frames, drifts=((0, 0),) * 5):
    """A scan with beads y, x, brightness for each frame."""
    optics = (N_PIXELS, PITCH_UM, STANDOFF_UM, 1.0, ray_sum.gaussian_acceptance(FWHM_DEG))
    light = []
    for depth_um, beads, (dy, dx) in zip(DEPTHS_UM, beads_of_frames, drifts, strict=True):
        displaced = [(y + dy, x + dx, brightness) for y, x, brightness in beads]
        light.append(ray_sum.expected_frames([depth_um], displaced, *optics)[0])
    readings = ray_sum.readings(np.array(light), np.random.default_rng(1))
    return ray_sum.to_frames(readings.astype(float), DEPTHS_UM)


def scores(fit):
    """Deviations from the truth in standard errors."""
    optics = fit.acceptance
    return (optics.fwhm_deg - FWHM_DEG) / fit.fwhm_se_deg, (optics.standoff_um - STANDOFF_UM) / fit.standoff_se_um


def test_without_drift_the_tracks_are_those_of_the_first_frame():
    centres, tracked = follow_beads(render([BEADS] * 5), 1.0)
    assert all((each.drift == 0).all() and each.visible.all() for each in tracked)
    fitted = fit_acceptance(render([BEADS] * 5), 1.0).frames
    assert all((each.centres == fitted[0].centres).all() for each in fitted)
    np.testing.assert_allclose(fitted[0].centres, centres, atol=0.5)


@pytest.mark.parametrize("step", [0.3, 3.0])
def test_drift_is_measured_and_corrected(step):
    drifts = np.outer(np.arange(5), [step, -step / 2])
    fit = fit_acceptance(render([BEADS] * 5, drifts), 1.0)
    assert np.abs(scores(fit)).max() < 3
    centres = fit.frames[0].centres
    measured = [(each.centres - centres).mean(0) for each in fit.frames]
    np.testing.assert_allclose(measured, drifts, atol=0.25)
    centres = centres[np.argsort(centres[:, 1])]
    np.testing.assert_allclose(centres, [bead[:2] for bead in sorted(BEADS, key=lambda bead: bead[1])], atol=0.1)


def test_drift_matters_and_its_correction_sharpens_the_measured_kernels():
    drifts = np.outer(np.arange(5), [0.6, 0.0])
    scan = render([BEADS] * 5, drifts)
    residuals = measure_kernel_residuals(fit_acceptance(scan, 1.0), 20)
    truth = ray_sum.true_kernels(
        ray_sum.gaussian_acceptance(FWHM_DEG), DEPTHS_UM + STANDOFF_UM - ray_sum.STANDOFF_UM, 21
    )
    kernels = (residuals.parametric + residuals.empirical).clip(0)
    assert (np.abs(kernels / kernels.sum((1, 2), keepdims=True) - truth).sum((1, 2)) / 2).max() < 0.08


def test_a_bead_that_leaves_the_field():
    """The bead near the upper edge is 5 pixels outside in the end."""
    beads = [(5.2, 30.4, 0.9), (30.3, 12.8, 1.0)]
    drifts = np.outer(np.arange(5), [-2.5, 0.5])
    fit = fit_acceptance(render([beads] * 5, drifts), 1.0)
    assert np.abs(scores(fit)).max() < 3


@pytest.mark.parametrize(
    "far",
    [BEADS[:1], BEADS[1:2], [(24.2, 18.4, 1.0)], BEADS[:2]],
    ids=["the brightest bead", "another bead", "a bead elsewhere", "two of three"],
)
def test_frames_with_fewer_beads_come_out_right(far):
    """Three beads near and one far gave a stand-off of 25 instead of 40 um."""
    fit = fit_acceptance(render([BEADS] * 3 + [far] * 2), 1.0)
    assert np.abs(scores(fit)).max() < 3


@pytest.mark.parametrize(
    ("beads", "message"),
    [
        (
            [BEADS] * 3 + [(*BEADS, (31.0, 34.0, 0.9))] * 2,
            r"frame 3 \(500 um\) shows light near y 3\d, x 3\d that is of no",
        ),
        ([BEADS[:1]] * 2 + [BEADS] * 3, r"frame 2 \(200 um\) shows light near .* Remove the frame and row 3"),
        ([BEADS] * 4 + [[(22.0, 22.0, 1e-6)]], r"frame 4 \(800 um\) shows none of the beads"),
    ],
    ids=["one more", "one at first", "none"],
)
def test_frames_that_show_other_light_are_refused(beads, message):
    scan = render(beads)
    if len(beads[-1]) == 1:
        noise = np.random.default_rng(0).normal(250, 10, scan[-1].readings.shape)
        scan = [*scan[:-1], replace(scan[-1], readings=noise)]
    with pytest.raises(InputError, match=f"scan.tif: {message}"):
        follow_beads(scan, 1.0)
