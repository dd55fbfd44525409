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

from foci3d.calibration.bead_scan import Floats, Scan
from foci3d.calibration.bead_tracking import BeadTracks, follow_beads
from foci3d.calibration.frame_model import LinearizedFrame, linearize
from foci3d.errors import InputError
from foci3d.optics.acceptance import AngularAcceptance, irradiance

log = logging.getLogger(__name__)

START_FWHM_DEG, MINIMUM_FWHM_DEG = 40.0, 1.0

N_REWEIGHTINGS, MAX_DRIFT_UPDATES = 3, 6

SIGNIFICANT_DRIFT = 25.0
"""Squared length of a drift in units of its covariance, which noise exceeds in 1 of 3e5 frames."""


@dataclass(frozen=True)
class AcceptanceFit:
    """Angular acceptance fitted to a scan, with uncertainties and residuals.

    Parameters
    ----------
    acceptance : AngularAcceptance
        The fitted optics.
    fwhm_se_deg, standoff_se_um : float
        Standard errors of the width of the acceptance [degrees] and of the stand-off [um].
    centres : ndarray (B, 2)
        Centres y, x of the beads without drift [pixels].
    drifts : ndarray (D, 2)
        Displacement y, x of the beads in each frame [pixels].
    amplitudes : ndarray (D, B)
        Readings right below each bead, in each frame; 0 where a frame does not show the bead.
    heights_um, heights_se_um : ndarray (D,)
        Height of the beads above the pixels from each frame alone, and its standard error [um].
    residuals : ndarray (D, Y, X)
        Readings minus the fitted frames.
    variance : ndarray (D, Y, X)
        Noise variance of the readings.
    """

    acceptance: AngularAcceptance
    fwhm_se_deg: float
    standoff_se_um: float
    centres: Floats
    drifts: Floats
    amplitudes: Floats
    heights_um: Floats
    heights_se_um: Floats
    residuals: Floats
    variance: Floats


def _unpack(parameters: Sequence[float], linear_fill_factor: float) -> tuple[AngularAcceptance, Floats]:
    return AngularAcceptance(parameters[0], parameters[1], linear_fill_factor), np.reshape(parameters[2:], (-1, 2))


def _linearize_visible(
    scan: Scan, index: int, acceptance: AngularAcceptance, centres: Floats, tracks: BeadTracks, deviation: Floats
) -> LinearizedFrame:
    """One frame with the beads that it shows; amplitude and columns of the Jacobian are 0 for all others."""
    visible = tracks.visible[index]
    frame = linearize(scan, index, acceptance, (centres + tracks.drifts[index])[visible], deviation)
    if visible.all():
        return frame
    columns = np.concatenate([[True, True], visible.repeat(2)])
    jacobian = np.zeros((len(frame.jacobian), len(columns)))
    jacobian[:, columns] = frame.jacobian
    coefficients = np.zeros(len(visible) + 1)
    coefficients[np.append(visible, True)] = frame.coefficients
    return replace(frame, jacobian=jacobian, coefficients=coefficients)


def _solve(
    scan: Scan, start: Floats, tracks: BeadTracks, linear_fill_factor: float, deviation: Floats
) -> tuple[Floats, list[LinearizedFrame]]:
    """Weighted least squares over all frames: parameters and the frames linearized at them."""

    @lru_cache(maxsize=1)
    def frames(parameters: tuple[float, ...]) -> list[LinearizedFrame]:
        acceptance, centres = _unpack(parameters, linear_fill_factor)
        return [
            _linearize_visible(scan, index, acceptance, centres, tracks, deviation[index])
            for index in range(len(scan.frames))
        ]

    def residual(parameters: Floats) -> Floats:
        return np.concatenate([frame.residual for frame in frames(tuple(parameters))])

    def jacobian(parameters: Floats) -> Floats:
        return np.vstack([frame.jacobian for frame in frames(tuple(parameters))])

    low = np.full(len(start), -np.inf)
    low[:2] = MINIMUM_FWHM_DEG, -scan.depths_um[0]
    result = optimize.least_squares(residual, start, jacobian, bounds=(low, np.inf), x_scale="jac", max_nfev=50)
    if not result.success:
        raise _fit_error(scan, *result.x[:2])
    return result.x, frames(tuple(result.x))


def _drift_steps(frames: list[LinearizedFrame]) -> tuple[Floats, Floats]:
    """Displacements `(D, 2)` of all beads of a frame that reduce its residual most, and their squared significance."""
    steps, significance = [], []
    for frame in frames:
        shifts = np.stack([frame.jacobian[:, 2::2].sum(1), frame.jacobian[:, 3::2].sum(1)], 1)
        information = shifts.T @ shifts
        steps.append(-np.linalg.solve(information, shifts.T @ frame.residual))
        significance.append(steps[-1] @ information @ steps[-1] / (frame.residual**2).mean())
    return np.array(steps), np.array(significance)


def _fit_error(scan: Scan, fwhm_deg: float, standoff_um: float) -> InputError:
    return InputError(
        f"{scan.name}: the images of the beads do not widen with depth as expected (fit: {fwhm_deg:.3g} degrees, "
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


def fit_acceptance(scan: Scan, linear_fill_factor: float) -> AcceptanceFit:
    """Fit the angular acceptance and the stand-off to a scan.

    Least squares over all frames and pixels, weighted by the variance of shot noise and read noise from an unweighted
    fit. Standard errors follow from the curvature at the minimum, with all other parameters free.

    Parameters
    ----------
    scan : Scan
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
    tracks = follow_beads(scan, linear_fill_factor)
    parameters = np.concatenate([[START_FWHM_DEG, 0], tracks.centres.ravel()])
    variance = np.ones_like(scan.frames)
    for iteration in range(1, N_REWEIGHTINGS + MAX_DRIFT_UPDATES):
        parameters, frames = _solve(scan, parameters, tracks, linear_fill_factor, np.sqrt(variance))
        fitted = np.stack([frame.fitted for frame in frames])
        residuals = scan.frames - fitted
        jacobian = np.vstack([frame.jacobian for frame in frames])
        covariance = np.linalg.inv(jacobian.T @ jacobian)
        leverage = np.concatenate([frame.leverage for frame in frames]) + ((jacobian @ covariance) * jacobian).sum(1)
        freedom = 1 - leverage.reshape(fitted.shape)
        variance = _noise_variance(fitted, residuals, freedom)
        if iteration >= N_REWEIGHTINGS:
            steps, significance = _drift_steps(frames)
            if significance.max() < SIGNIFICANT_DRIFT:
                break
            tracks = replace(tracks, drifts=tracks.drifts + steps)
    covariance *= (residuals**2 / variance).sum() / freedom.sum()
    fwhm_se, standoff_se = np.sqrt(np.diag(covariance))[:2]
    curvatures = np.array([frame.jacobian[:, 1] @ frame.jacobian[:, 1] for frame in frames])
    gradients = np.array([frame.jacobian[:, 1] @ frame.residual for frame in frames])
    acceptance, centres = _unpack(parameters.tolist(), linear_fill_factor)
    # The zero of a stage may lie slightly below the pixels, which gives a negative stand-off.
    lowest_um, highest_um = -scan.pixel_pitch_um - 3 * standoff_se, scan.depths_um[-1]
    if not (lowest_um < acceptance.standoff_um < highest_um and 2 * MINIMUM_FWHM_DEG < acceptance.fwhm_deg < 180):
        raise _fit_error(scan, acceptance.fwhm_deg, acceptance.standoff_um)
    log.info(
        "acceptance %.2f degrees (standard error %.2f), stand-off %.1f um (%.1f), from %d beads at %d depths",
        *(acceptance.fwhm_deg, fwhm_se, acceptance.standoff_um, standoff_se, len(centres), len(frames)),
    )
    return AcceptanceFit(
        acceptance=acceptance,
        fwhm_se_deg=float(fwhm_se),
        standoff_se_um=float(standoff_se),
        centres=centres,
        drifts=tracks.drifts,
        amplitudes=np.stack([frame.coefficients[:-1] for frame in frames]),
        heights_um=scan.depths_um + acceptance.standoff_um - gradients / curvatures,
        heights_se_um=curvatures**-0.5,
        residuals=residuals,
        variance=variance,
    )


def half_maximum_slope(fwhm_deg: float) -> float:
    """Slope of the rays at which the irradiance is half its maximum."""

    def excess(slope: float) -> float:
        return irradiance(torch.tensor(slope, dtype=torch.float64), fwhm_deg).item() - 0.5

    return float(optimize.brentq(excess, 0, math.tan(math.radians(fwhm_deg / 2))))


def width_table(scan: Scan, fit: AcceptanceFit) -> pd.DataFrame:
    """Lateral full width at half maximum against depth, without the aperture of the pixels.

    Returns
    -------
    DataFrame
        Columns ``depth_um``; ``fwhm_um`` and ``fwhm_se_um`` of each frame alone, for the shape of the fitted
        acceptance; ``fitted_fwhm_um`` of all frames together.
    """
    width = 2 * half_maximum_slope(fit.acceptance.fwhm_deg)
    return pd.DataFrame(
        {
            "depth_um": scan.depths_um,
            "fwhm_um": width * fit.heights_um,
            "fwhm_se_um": width * fit.heights_se_um,
            "fitted_fwhm_um": width * (scan.depths_um + fit.acceptance.standoff_um),
        }
    )
