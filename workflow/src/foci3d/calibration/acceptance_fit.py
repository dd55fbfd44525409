"""Fit of the imager's angular acceptance to a bead scan.

All frames are fitted simultaneously. The model of a frame is a background plus the images of its beads, which may
overlap. The background and the amplitude of each bead are free in each frame; the centres of the beads and the
acceptance are common to all frames, but for the lateral drift that `foci3d.calibration.bead_tracking` measures. An
error of the drift widens an image by its square, hence hardly.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from scipy import optimize, stats

from foci3d.calibration.bead_tracking import TrackedFrame, follow_beads
from foci3d.calibration.frame_model import Floats, Frame, LinearizedFrame
from foci3d.errors import InputError
from foci3d.optics.acceptance import AngularAcceptance, irradiance

log = logging.getLogger(__name__)

START_FWHM_DEG, MINIMUM_FWHM_DEG = 40.0, 1.0

N_REWEIGHTINGS, MAX_DRIFT_UPDATES = 3, 6

SIGNIFICANT_DRIFT = 25.0
"""Squared length of a drift in units of its covariance, which noise exceeds in 1 of 3e5 frames."""


@dataclass(frozen=True)
class FittedFrame:
    """A frame explained by the fitted optics.

    Parameters
    ----------
    frame : Frame
        The frame.
    centres : ndarray (B, 2)
        Centres y, x of the beads [pixels].
    amplitudes : ndarray (B,)
        Readings right below each bead; 0 where the frame does not show the bead.
    height_um, height_se_um : float
        Height of the beads above the pixels from this frame alone, and its standard error [um].
    residual, variance : ndarray (Y, X)
        Readings minus the fitted frame, and noise variance of the readings.
    """

    frame: Frame
    centres: Floats
    amplitudes: Floats
    height_um: float
    height_se_um: float
    residual: Floats
    variance: Floats


@dataclass(frozen=True)
class AcceptanceFit:
    """Angular acceptance fitted to a scan.

    Parameters
    ----------
    acceptance : AngularAcceptance
        The fitted optics.
    fwhm_se_deg, standoff_se_um : float
        Standard errors of the width of the acceptance [degrees] and of the stand-off [um].
    frames : tuple of FittedFrame
        The frames of the scan.
    """

    acceptance: AngularAcceptance
    fwhm_se_deg: float
    standoff_se_um: float
    frames: tuple[FittedFrame, ...]


def _unpack(parameters: Sequence[float], linear_fill_factor: float) -> tuple[AngularAcceptance, Floats]:
    return AngularAcceptance(parameters[0], parameters[1], linear_fill_factor), np.reshape(parameters[2:], (-1, 2))


def _linearize_visible(
    tracked: TrackedFrame, acceptance: AngularAcceptance, centres: Floats, deviation: Floats
) -> LinearizedFrame:
    """One frame with the beads that it shows; amplitude and columns of the Jacobian are 0 for all others."""
    visible = tracked.visible
    linearized = tracked.frame.linearize(acceptance, (centres + tracked.drift)[visible], deviation)
    if visible.all():
        return linearized
    columns = np.concatenate([[True, True], visible.repeat(2)])
    jacobian = np.zeros((len(linearized.jacobian), len(columns)))
    jacobian[:, columns] = linearized.jacobian
    coefficients = np.zeros(len(visible) + 1)
    coefficients[np.append(visible, True)] = linearized.coefficients
    return replace(linearized, jacobian=jacobian, coefficients=coefficients)


def _solve(
    tracked: Sequence[TrackedFrame], start: Floats, linear_fill_factor: float, deviation: Floats
) -> tuple[Floats, list[LinearizedFrame]]:
    """Weighted least squares over all frames: parameters and the frames linearized at them."""

    @lru_cache(maxsize=1)
    def linearize(parameters: tuple[float, ...]) -> list[LinearizedFrame]:
        acceptance, centres = _unpack(parameters, linear_fill_factor)
        pairs = zip(tracked, deviation, strict=True)
        return [_linearize_visible(each, acceptance, centres, its_deviation) for each, its_deviation in pairs]

    def residual(parameters: Floats) -> Floats:
        return np.concatenate([frame.residual for frame in linearize(tuple(parameters))])

    def jacobian(parameters: Floats) -> Floats:
        return np.vstack([frame.jacobian for frame in linearize(tuple(parameters))])

    first = tracked[0].frame
    low = np.full(len(start), -np.inf)
    low[:2] = MINIMUM_FWHM_DEG, -first.depth_um
    result = optimize.least_squares(residual, start, jacobian, bounds=(low, np.inf), x_scale="jac", max_nfev=50)
    if not result.success:
        raise _fit_error(first, *result.x[:2])
    return result.x, linearize(tuple(result.x))


def _drift_step(linearized: LinearizedFrame) -> tuple[Floats, float]:
    """Displacement `(2,)` of all beads of a frame that reduces its residual most, and its squared significance."""
    shifts = np.stack([linearized.jacobian[:, 2::2].sum(1), linearized.jacobian[:, 3::2].sum(1)], 1)
    information = shifts.T @ shifts
    step = -np.linalg.solve(information, shifts.T @ linearized.residual)
    return step, step @ information @ step / (linearized.residual**2).mean()


def _fit_error(frame: Frame, fwhm_deg: float, standoff_um: float) -> InputError:
    return InputError(
        f"{frame.source}: the images of the beads do not widen with depth as expected (fit: {fwhm_deg:.3g} degrees, "
        f"stand-off {standoff_um:.3g} um); check the depths, their order and the pixel pitch."
    )


def _noise_variance(fitted: Floats, residuals: Floats, freedom: Floats) -> Floats:
    """Variance of the readings: read noise plus shot noise proportional to the fitted light.

    Gain and read noise are estimated. The read noise is the standard deviation of the darkest residuals, which misfits
    do not affect, without outliers. The gain is fitted to the squared residuals, whose expectation is the variance
    times the `freedom` of a pixel, 1 minus its leverage, which is small for the few bright pixels of near frames.
    """
    light = fitted - fitted.min()
    dark = stats.sigmaclip(residuals[light <= np.quantile(light, 0.1)]).clipped
    readout = max(dark.std(), 1e-6 * light.max()) ** 2
    variance = np.full_like(light, readout)
    for _ in range(2):  # the weights depend on the variance
        weighted = freedom * light / variance**2
        gain = (weighted * (residuals**2 - freedom * readout)).sum() / (weighted * freedom * light).sum()
        variance = readout + max(gain, 0) * light
    return variance


def fit_acceptance(frames: Sequence[Frame], linear_fill_factor: float) -> AcceptanceFit:
    """Fit the angular acceptance and the stand-off to a scan.

    Least squares over all frames and pixels, weighted by the variance of shot noise and read noise from an unweighted
    fit. Standard errors follow from the curvature at the minimum, with all other parameters free.

    Parameters
    ----------
    frames : sequence of Frame
        The scan.
    linear_fill_factor : float
        Width of the light-sensitive part of a pixel [pitches].

    Returns
    -------
    AcceptanceFit
        The fitted optics, with uncertainties and residuals.

    Raises
    ------
    InputError
        If no beads are detected, a frame does not show them, or the fit does not converge to plausible optics.
    """
    centres, tracked = follow_beads(frames, linear_fill_factor)
    parameters = np.concatenate([[START_FWHM_DEG, 0], centres.ravel()])
    readings = np.stack([frame.readings for frame in frames])
    variance = np.ones_like(readings)
    for iteration in range(1, N_REWEIGHTINGS + MAX_DRIFT_UPDATES):
        parameters, linearized = _solve(tracked, parameters, linear_fill_factor, np.sqrt(variance))
        fitted = np.stack([frame.fitted for frame in linearized])
        residuals = readings - fitted
        jacobian = np.vstack([frame.jacobian for frame in linearized])
        covariance = np.linalg.inv(jacobian.T @ jacobian)
        leverage = np.concatenate([each.leverage for each in linearized]) + ((jacobian @ covariance) * jacobian).sum(1)
        freedom = 1 - leverage.reshape(fitted.shape)
        variance = _noise_variance(fitted, residuals, freedom)
        if iteration >= N_REWEIGHTINGS:
            steps, significance = zip(*map(_drift_step, linearized), strict=True)
            if max(significance) < SIGNIFICANT_DRIFT:
                break
            tracked = [replace(each, drift=each.drift + step) for each, step in zip(tracked, steps, strict=True)]
    covariance *= (residuals**2 / variance).sum() / freedom.sum()
    fwhm_se, standoff_se = np.sqrt(np.diag(covariance))[:2].tolist()
    acceptance, centres = _unpack(parameters.tolist(), linear_fill_factor)
    # The zero of a stage may lie slightly below the pixels, which gives a negative stand-off.
    lowest_um, highest_um = -frames[0].pixel_pitch_um - 3 * standoff_se, frames[-1].depth_um
    if not (lowest_um < acceptance.standoff_um < highest_um and 2 * MINIMUM_FWHM_DEG < acceptance.fwhm_deg < 180):
        raise _fit_error(frames[0], acceptance.fwhm_deg, acceptance.standoff_um)
    log.info(
        "acceptance %.2f degrees (standard error %.2f), stand-off %.1f um (%.1f), from %d beads at %d depths",
        *(acceptance.fwhm_deg, fwhm_se, acceptance.standoff_um, standoff_se, len(centres), len(frames)),
    )
    parts = zip(tracked, linearized, residuals, variance, strict=True)
    explained = tuple(_explain(each, acceptance, centres, *part) for each, *part in parts)
    return AcceptanceFit(acceptance, fwhm_se, standoff_se, explained)


def _explain(
    tracked: TrackedFrame,
    acceptance: AngularAcceptance,
    centres: Floats,
    linearized: LinearizedFrame,
    residual: Floats,
    variance: Floats,
) -> FittedFrame:
    """A frame at the end of the fit; one Newton step gives the height from the frame alone."""
    slope = linearized.jacobian[:, 1]
    curvature = slope @ slope
    return FittedFrame(
        frame=tracked.frame,
        centres=centres + tracked.drift,
        amplitudes=linearized.coefficients[:-1],
        height_um=tracked.frame.depth_um + acceptance.standoff_um - float(slope @ linearized.residual / curvature),
        height_se_um=float(curvature**-0.5),
        residual=residual,
        variance=variance,
    )


def half_maximum_slope(fwhm_deg: float) -> float:
    """Slope of the rays at which the irradiance is half its maximum."""

    def excess(slope: float) -> float:
        return irradiance(torch.tensor(slope, dtype=torch.float64), fwhm_deg).item() - 0.5

    return float(optimize.brentq(excess, 0, math.tan(math.radians(fwhm_deg / 2))))


def width_table(fit: AcceptanceFit) -> pd.DataFrame:
    """Lateral full width at half maximum against depth, without the aperture of the pixels.

    Returns
    -------
    DataFrame
        Columns ``depth_um``; ``fwhm_um`` and ``fwhm_se_um`` of each frame alone, for the shape of the fitted
        acceptance; ``fitted_fwhm_um`` of all frames together.
    """
    width = 2 * half_maximum_slope(fit.acceptance.fwhm_deg)
    rows = [
        (
            each.frame.depth_um,
            width * each.height_um,
            width * each.height_se_um,
            width * (each.frame.depth_um + fit.acceptance.standoff_um),
        )
        for each in fit.frames
    ]
    return pd.DataFrame(rows, columns=["depth_um", "fwhm_um", "fwhm_se_um", "fitted_fwhm_um"])
