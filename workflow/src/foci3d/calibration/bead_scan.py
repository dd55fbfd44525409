"""A z-scan of beads or pinholes: reading, checks, localization of the beads, and simulation with known optics.

A scan is a stack of raw readings with one frame per depth `(depth, y, x)`, in any format of
`foci3d.io.image_formats`, and a CSV file with the depth of each frame in a column ``depth_um``. A frame may show
several beads, each far from the others.
"""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage, stats
from skimage.feature import peak_local_max

from foci3d.calibration.frame_model import Floats, Frame
from foci3d.config.imager import ScanSimulationConfig
from foci3d.errors import InputError
from foci3d.io.image_file import format_shape, require_pitch, select_frames
from foci3d.io.image_formats import read_image_file
from foci3d.io.tables import read_table
from foci3d.optics.acceptance import AngularAcceptance, pixel_response
from foci3d.optics.sensor import Sensor

log = logging.getLogger(__name__)

MINIMUM_PIXELS = 8
"""Pixels of a frame in y and in x that show a bead and its surroundings."""

EXPECTED_STACK = (
    "a stack of at least two grey frames with the axes depth, y, x, of "
    f"{MINIMUM_PIXELS} x {MINIMUM_PIXELS} pixels or more. Export it again."
)
PITCH_SOURCE = "psf.scan.pixel_pitch_um or --scan-pitch-um"
"""For messages: what a stack holds, and where its pixel pitch is stated."""

RESOLVED_DEPTH_PX = 5
"""Depth [pixel pitches] at which the image of a bead covers several pixels, for acceptances above 10 degrees."""

MIN_DEFECT_SHARE = 0.75
"""Share of the light of 3 x 3 pixels that a defective pixel has; the image of such a bead has less in any."""

ADC_OFFSET = 100
"""Readings of a simulated scan without light; they keep read noise from being clipped at zero."""


def read_scan(stack: str | Path, depths: str | Path, pixel_pitch_um: float, saturation: float) -> tuple[Frame, ...]:
    """Read a scan and check it for defects that would falsify a calibration.

    Parameters
    ----------
    stack : str or Path
        Stack of raw readings with one frame per depth, in the order of the axes that the file states.
    depths : str or Path
        CSV file with a column ``depth_um`` and one row per frame.
    pixel_pitch_um : float
        Distance between neighbouring pixels of the frames [um].
    saturation : float
        Readings at or above this are saturated.

    Returns
    -------
    tuple of Frame
        At increasing depths.

    Raises
    ------
    InputError
        If a file cannot be read, or states another pixel pitch; if readings are missing, negative, saturated or clipped
        at zero; or if the depths do not increase, are not in micrometres, or differ in number from the frames.
    """
    depths_um = _read_depths(depths, pixel_pitch_um)
    frames = _read_frames(stack, pixel_pitch_um)
    if depths_um.max(initial=0) >= RESOLVED_DEPTH_PX * pixel_pitch_um:
        frames = _leave_out_defects(stack, frames)
    _check_readings(stack, frames, saturation)
    if len(depths_um) != len(frames):
        raise InputError(
            f"{depths}: there are {len(depths_um)} depths for the {len(frames)} frames of {stack} (shape "
            f"{frames.shape}); expected the axes depth, y, x and one row per frame."
        )
    pairs = zip(frames, depths_um.tolist(), strict=True)
    return tuple(Frame(readings, depth_um, pixel_pitch_um, str(stack)) for readings, depth_um in pairs)


def _read_frames(stack: str | Path, pixel_pitch_um: float) -> Floats:
    file = read_image_file(stack)
    require_pitch(stack, file, pixel_pitch_um, PITCH_SOURCE)
    if file.axes.startswith("C") and file.values.ndim == 3:  # so tifffile names any axis in OME and ImageJ files
        file = replace(file, axes=file.axes.replace("C", "Z"))
    frames = select_frames(stack, file, expected=EXPECTED_STACK)
    if len(frames) < 2 or min(frames.shape[1:]) < MINIMUM_PIXELS or frames.dtype.kind not in "uif":
        raise InputError(
            f"{stack}: found {len(frames)} frames of {format_shape(frames.shape[1:])} pixels and type {frames.dtype}; "
            f"expected {EXPECTED_STACK}"
        )
    return frames.astype(np.float64)


def _leave_out_defects(stack: str | Path, frames: Floats) -> Floats:
    """Frames in which defective pixels, hot or dead, have the median of the pixels around them.

    Light of a bead spreads with depth, so what keeps to a single pixel at every depth is no light.
    """
    around = ndimage.median_filter(frames, (1, 5, 5), mode="nearest")
    light = frames - around
    noise = 1.4826 * np.median(np.abs(light), (1, 2), keepdims=True)
    nearby = 9 * ndimage.uniform_filter(light, (0, 3, 3), mode="constant")
    is_narrow = (np.abs(light) > 6 * noise) & (np.abs(light) > MIN_DEFECT_SHARE * np.abs(nearby))
    defects = is_narrow.all(0)
    for y, x in np.argwhere(defects):
        log.warning(
            "%s: the light at y %d, x %d is narrower than the optics allow at every depth: a defect of the sensor, "
            "left out",
            stack,
            y,
            x,
        )
    return np.where(defects, around, frames)


def _check_readings(stack: str | Path, frames: Floats, saturation: float) -> None:
    """Raise InputError where readings cannot be those of a linear sensor."""
    exposure = "reduce the exposure and scan again, or name the largest reading of the sensor as its saturation"
    for bad, what, remedy in (
        (~np.isfinite(frames), "is not a number", "expected raw readings. Export the stack again"),
        (frames < 0, "is negative", "expected raw readings. Do not subtract the background"),
        (frames >= saturation, f"is saturated ({saturation:g} or more)", exposure),
    ):
        if bad.any():
            frame, y, x = np.argwhere(bad)[0]
            raise InputError(
                f"{stack}: {bad.sum()} readings are unusable; the first, at frame {frame}, y {y}, x {x}, {what}; "
                f"{remedy}."
            )
    zeros = (frames == 0).mean((1, 2))
    if zeros.max() > 1e-3:  # a few dead pixels are harmless
        raise InputError(
            f"{stack}: {zeros.max():.1%} of the readings in frame {zeros.argmax()} are clipped at zero; "
            "increase the offset of the sensor and scan again."
        )


def _read_depths(path: str | Path, pixel_pitch_um: float) -> Floats:
    depths_um = read_table(path, ["depth_um"])["depth_um"].to_numpy()
    if depths_um.min(initial=0) < 0:
        row = depths_um.argmin()
        raise InputError(f"{path}: depth_um of row {row + 1} is {depths_um[row]:g}; expected numbers of at least 0.")
    decreasing = np.flatnonzero(np.diff(depths_um) <= 0)
    if len(decreasing):
        raise InputError(
            f"{path}: depth_um does not increase from row {decreasing[0] + 1} to {decreasing[0] + 2}; "
            "sort frames and depths by depth."
        )
    if len(depths_um) and depths_um[-1] < pixel_pitch_um:
        raise InputError(
            f"{path}: the largest depth_um is {depths_um[-1]:g}, less than one pixel pitch, so the unit may be "
            "millimetres; expected micrometres."
        )
    return depths_um


def find_beads(frame: Frame) -> Floats:
    """Locate the beads in a frame, best in the nearest one, where they are sharpest.

    Returns
    -------
    ndarray (B, 2)
        Centres y, x of the beads, with subpixel accuracy [pixels].

    Raises
    ------
    InputError
        If no bead exceeds the noise, or one lies at the edge of the frame.
    """
    light = frame.readings - np.median(frame.readings)
    noise = stats.median_abs_deviation(light, axis=None, scale="normal")
    # Smoothing by 0.7 pixels reduces white noise 2.5 times; noise exceeds six standard deviations in 1 of 1e9 pixels.
    smooth = ndimage.gaussian_filter(light, 0.7)
    peaks = peak_local_max(
        smooth, min_distance=5, threshold_abs=6 * noise / 2.5, threshold_rel=0.1, exclude_border=False
    )
    if len(peaks) == 0:
        raise InputError(
            f"{frame.source}: no bead exceeds the noise in the first frame; place beads in the field, increase the "
            "exposure or start at a smaller depth."
        )
    centres = np.array([_centroid(light, peak) for peak in peaks])
    reach = np.minimum(centres, np.array(light.shape) - 1 - centres).min(1)
    if reach.min() < 3:
        y, x = centres[reach.argmin()]
        raise InputError(
            f"{frame.source}: the bead at y {y:.1f}, x {x:.1f} is less than three pixels from the edge of the field; "
            "crop the frames so that each bead is well inside or outside."
        )
    return centres


def _centroid(light: Floats, peak: npt.NDArray[Any]) -> Floats:
    """Centroid of the 7 x 7 pixels around a peak."""
    corner = np.maximum(peak - 3, 0)
    window = light[corner[0] : peak[0] + 4, corner[1] : peak[1] + 4].clip(0)
    return corner + np.array(ndimage.center_of_mass(window))


def simulate_scan(
    acceptance: AngularAcceptance,
    simulation: ScanSimulationConfig,
    pixel_pitch_um: float,
    saturation: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.uint16]:
    """Simulate a scan of beads of unequal brightness on a ring, with shot noise and read noise.

    Each frame has its own exposure, which gives its brightest pixel `simulation.peak_electrons`. The gain is one
    reading per electron.

    Parameters
    ----------
    acceptance : AngularAcceptance
        The optics.
    simulation : ScanSimulationConfig
        Depths, size, light and noise of the frames.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    saturation : float
        Largest reading.
    rng : numpy.random.Generator
        Source of positions, brightness and noise.

    Returns
    -------
    ndarray (D, Y, X), uint16
        Raw readings, with an offset of `ADC_OFFSET`.
    """
    n_beads, n_pixels = simulation.n_beads, simulation.frame_pixels
    turns = (np.arange(n_beads) + rng.uniform()) / n_beads
    ring = n_pixels / 4.5 * np.stack([np.sin(2 * np.pi * turns), np.cos(2 * np.pi * turns)], 1)
    centres = (n_pixels - 1) / 2 + ring + rng.uniform(-0.5, 0.5, (n_beads, 2))
    brightness = rng.uniform(0.7, 1, n_beads)
    frames = []
    grid = torch.arange(n_pixels, dtype=torch.float64)
    for depth_um in simulation.depths_um:
        light = np.zeros((n_pixels, n_pixels))
        for weight, (y, x) in zip(brightness, centres, strict=True):
            y_um, x_um = (grid - y) * pixel_pitch_um, (grid - x) * pixel_pitch_um
            light += weight * pixel_response(acceptance, depth_um, y_um, x_um, pixel_pitch_um).numpy()
        frames.append(light / light.max() * simulation.peak_electrons + simulation.background_electrons)
    largest = int(saturation)
    sensor = Sensor(largest, largest, simulation.read_noise_electrons, n_steps=largest, offset_electrons=ADC_OFFSET)
    return sensor.read(torch.from_numpy(np.array(frames)), rng).numpy().astype(np.uint16)
