"""Beads followed from frame to frame of a scan: lateral drift of the stage, and beads that a frame does not show.

The beads of the first frame form a constellation with known ratios of brightness. Each frame is fitted alone, with a
drift, a height, a brightness and a background of its own, so that nothing is assumed about the optics but that images
widen with height. If the ratios do not hold, beads are missing, and each gets a brightness of its own. A frame that
shows further light is refused, because that light would widen the images of the beads.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from scipy import optimize, signal

from foci3d.calibration.bead_scan import find_beads
from foci3d.calibration.frame_model import Floats, Frame, LinearizedFrame
from foci3d.errors import InputError
from foci3d.optics.acceptance import AngularAcceptance, pixel_response

log = logging.getLogger(__name__)

NOMINAL_FWHM_DEG = 40.0
"""Acceptance with which frames are fitted alone; their heights absorb its error."""

MAX_BRIGHTNESS_CHANGE = 0.3
"""Relative change of a bead's brightness above which a frame does not show the constellation."""

MAX_OTHER_LIGHT = 0.25
"""Light outside the beads, relative to the brightest of them, above which a frame is refused."""

SIGNIFICANT_ERRORS = 6.0
"""Standard errors above which a difference is not noise."""

SMALLEST_DRIFT_PX = 0.5
"""Displacement that a frame alone shows reliably: in near frames, a bead lies within one pixel. The joint fit finds
smaller ones."""


@dataclass(frozen=True)
class TrackedFrame:
    """A frame, and where it shows the beads of the first one.

    Parameters
    ----------
    frame : Frame
        The frame.
    drift : ndarray (2,)
        Displacement y, x of the beads [pixels].
    visible : ndarray (B,), bool
        Whether the frame determines the brightness of a bead; it does not if the bead has left the field.
    """

    frame: Frame
    drift: Floats
    visible: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Constellation:
    """Centres `(B, 2)` and amplitudes `(B,)` of the beads in the first frame of a scan."""

    linear_fill_factor: float
    centres: Floats
    brightness: Floats

    def optics(self, standoff_um: float) -> AngularAcceptance:
        """The nominal optics at a height above the depth."""
        return AngularAcceptance(NOMINAL_FWHM_DEG, standoff_um, self.linear_fill_factor)

    def images(self, frame: Frame, standoff_um: float, drift: Floats) -> Floats:
        """Images `(B, Y * X)` of the beads in a frame, as bright as in the first one."""
        return self.brightness[:, None] * frame.images(self.optics(standoff_um), self.centres + drift)[0]


@dataclass(frozen=True)
class _Match:
    """The constellation fitted to one frame alone.

    `amplitudes (B,)` of the beads, with their standard errors, are relative to the first frame; `residual (Y, X)` is
    what they leave, with `other_light` at the pixel `other_place`, relative to the brightest bead.
    """

    drift: Floats
    amplitudes: Floats
    amplitudes_se: Floats
    residual: Floats
    other_light: float
    other_place: tuple[int, ...]

    @property
    def shows_beads(self) -> bool:
        """Whether the frame shows any of the beads."""
        return bool((self.amplitudes > SIGNIFICANT_ERRORS * self.amplitudes_se).any())

    @property
    def shows_constellation(self) -> bool:
        """Whether the frame shows all beads, in their ratios of brightness within errors, and nothing else."""
        brightness = np.median(self.amplitudes)
        tolerance = np.maximum(MAX_BRIGHTNESS_CHANGE * brightness, SIGNIFICANT_ERRORS * self.amplitudes_se)
        return bool((np.abs(self.amplitudes - brightness) < tolerance).all()) and self.other_light < MAX_OTHER_LIGHT

    @property
    def visible(self) -> npt.NDArray[np.bool_]:
        """Beads whose brightness the frame determines."""
        return self.amplitudes_se < np.abs(self.amplitudes).max() / 2


def follow_beads(frames: Sequence[Frame], linear_fill_factor: float) -> tuple[Floats, list[TrackedFrame]]:
    """Locate the beads of the first frame in every frame.

    Parameters
    ----------
    frames : sequence of Frame
        The scan.
    linear_fill_factor : float
        Width of the light-sensitive part of a pixel [pitches].

    Returns
    -------
    ndarray (B, 2)
        Centres y, x of the beads in the first frame [pixels].
    list of TrackedFrame
        The frames. Drifts are 0 if they are below half a pixel in all frames.

    Raises
    ------
    InputError
        If the first frame shows no beads, see `find_beads`; if another frame shows none of them, or further light.
    """
    located = find_beads(frames[0])
    displacements, first_frame = _fit_alone(frames[0], linear_fill_factor, located, np.eye(located.size))
    centres = located + displacements[1:].reshape(-1, 2)
    first = _Constellation(linear_fill_factor, centres, first_frame.coefficients[:-1])
    tracked, drift = [], np.zeros(2)
    for number, frame in enumerate(frames):
        match = _match_frame(first, frame, drift)
        _check_match(frame, number, match)
        drift = match.drift
        tracked.append(TrackedFrame(frame, drift, match.visible))
    drifts = np.array([each.drift for each in tracked])
    if np.hypot(*drifts.T).max() < SMALLEST_DRIFT_PX:
        return located, [replace(each, drift=np.zeros(2)) for each in tracked]
    log.info("the beads drift by up to %.1f pixels in y and %.1f in x", *np.abs(drifts).max(0))
    return centres, tracked


def _fit_alone(
    frame: Frame, linear_fill_factor: float, centres: Floats, directions: Floats, brightness: Floats | None = None
) -> tuple[Floats, LinearizedFrame]:
    """Fit the height of one frame and the displacement of its beads from `centres`, along `directions (2 B, K)`.

    Returns parameters `(1 + K,)`, height minus depth [um] and displacements [pixels], and the linearized frame;
    `brightness` as in `Frame.linearize`.
    """
    deviation = np.ones_like(frame.readings)

    @lru_cache(maxsize=1)
    def linearize(parameters: tuple[float, ...]) -> LinearizedFrame:
        optics = AngularAcceptance(NOMINAL_FWHM_DEG, parameters[0], linear_fill_factor)
        displaced = centres + (directions @ parameters[1:]).reshape(-1, 2)
        return frame.linearize(optics, displaced, deviation, brightness)

    def residual(parameters: Floats) -> Floats:
        return linearize(tuple(parameters)).residual

    def jacobian(parameters: Floats) -> Floats:
        columns = linearize(tuple(parameters)).jacobian
        # A rigid image has one pair of columns, for the displacement of all beads.
        return np.column_stack([columns[:, 1], columns[:, 2:] @ directions[: columns.shape[1] - 2]])

    pitch_um, n_directions = frame.pixel_pitch_um, directions.shape[1]
    # Below half a pixel pitch the image is that of the pixel, whatever the height.
    low = np.append(pitch_um / 2 - frame.depth_um, np.full(n_directions, -np.inf))
    start = np.append(max(0, low[0] + pitch_um / 2), np.zeros(n_directions))
    scale = np.append(pitch_um, np.ones(n_directions))
    fit = optimize.least_squares(residual, start, jacobian, bounds=(low, np.inf), x_scale=scale, ftol=1e-6, max_nfev=50)
    return fit.x, linearize(tuple(fit.x))


def _match_frame(first: _Constellation, frame: Frame, drift: Floats) -> _Match:
    """Fit the constellation to a frame, near the drift of the frame before or where the images correlate best."""
    jump = _correlation_peak(first, frame, drift)
    starts = [drift] if np.hypot(*jump) < 2 else [drift, drift + jump]
    rigid = _best(_fit_constellation(first, frame, start, first.brightness) for start in starts)
    if rigid.shows_constellation:
        return rigid
    return _best(_fit_constellation(first, frame, start, None) for start in [*starts, rigid.drift])


def _best(matches: Iterable[_Match]) -> _Match:
    return min(matches, key=lambda match: match.residual.std())


def _correlation_peak(first: _Constellation, frame: Frame, drift: Floats) -> Floats:
    """Displacement y, x from `drift` at which a frame resembles the constellation most [pixels]."""
    readings = frame.readings
    expected = first.images(frame, frame.pixel_pitch_um, drift).sum(0).reshape(readings.shape)
    correlation = signal.correlate(readings - np.median(readings), expected - expected.mean(), "same")
    return np.subtract(np.unravel_index(correlation.argmax(), readings.shape), np.array(readings.shape) // 2)


def _fit_constellation(first: _Constellation, frame: Frame, start: Floats, brightness: Floats | None) -> _Match:
    readings, directions = frame.readings, np.tile(np.eye(2), (len(first.centres), 1))
    parameters, _ = _fit_alone(frame, first.linear_fill_factor, first.centres + start, directions, brightness)
    standoff_um, drift = parameters[0], start + parameters[1:]
    design = np.vstack([first.images(frame, standoff_um, drift), np.ones(readings.size)]).T
    inverse = np.linalg.pinv(design.T @ design, hermitian=True)
    coefficients = inverse @ (design.T @ readings.ravel())
    residual = readings - (design @ coefficients).reshape(readings.shape)
    amplitudes, errors = coefficients[:-1], np.sqrt(np.diag(inverse)[:-1]) * residual.std()
    errors[design[:, :-1].max(0) == 0] = np.inf  # far outside the field
    light, place = _brightest_spot(frame, first.optics(standoff_um), residual)
    brightest = float((amplitudes * first.brightness).max())
    return _Match(drift, amplitudes, errors, residual, light / brightest if brightest > 0 else np.inf, place)


def _brightest_spot(frame: Frame, optics: AngularAcceptance, residual: Floats) -> tuple[float, tuple[int, ...]]:
    """Amplitude of the brightest bead in a residual, 0 if it is insignificant, and its pixel, by a matched filter."""
    half_width = (min(residual.shape) - 1) // 2
    offsets_um = torch.arange(-half_width, half_width + 1, dtype=torch.float64) * frame.pixel_pitch_um
    image = pixel_response(optics, frame.depth_um, offsets_um, offsets_um, frame.pixel_pitch_um).numpy()
    energy = signal.fftconvolve(np.ones_like(residual), image**2, "same")
    product = signal.fftconvolve(residual, image, "same")
    mostly_inside = energy > (image**2).sum() / 3
    amplitude = np.divide(product, energy, out=np.zeros_like(product), where=mostly_inside)
    amplitude[amplitude * np.sqrt(energy.clip(0)) < SIGNIFICANT_ERRORS * residual.std()] = 0
    place = np.unravel_index(amplitude.argmax(), amplitude.shape)
    return float(amplitude[place]), tuple(map(int, place))


def _check_match(frame: Frame, number: int, match: _Match) -> None:
    where = f"{frame.source}: frame {number} ({frame.depth_um:g} um)"
    remedy = f"Remove the frame and row {number + 1} of the depths, or scan again"
    if not match.shows_beads:
        raise InputError(f"{where} shows none of the beads of the first frame; expected some of them. {remedy}.")
    if match.other_light > MAX_OTHER_LIGHT:
        y, x = match.other_place
        raise InputError(
            f"{where} shows light near y {y}, x {x} that is of no bead of the first frame; expected the same beads in "
            f"all frames. {remedy}."
        )
