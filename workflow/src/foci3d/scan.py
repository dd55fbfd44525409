"""A z-scan of beads or pinholes: read and checked, its beads found, or simulated with known optics.

A scan is an ordinary TIFF stack, one frame a depth `(depth, y, x)` in raw readings, and a CSV with the depth of each
frame in a column ``depth_um``. Every frame may show several beads, each far from the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tifffile
import torch
from scipy import ndimage, stats
from skimage.feature import peak_local_max

from foci3d.errors import InputError
from foci3d.optics import Acceptance, spot

Floats = npt.NDArray[np.float64]

ADC_OFFSET = 100  # readings of a simulated scan that hold no light, so that read noise is not clipped at zero


@dataclass(frozen=True)
class Scan:
    """Frames of point sources at known depths.

    Parameters
    ----------
    frames : ndarray (D, Y, X), float64
        Raw readings.
    depths_um : ndarray (D,), float64
        Depths of the frames, increasing [um].
    pixel_pitch_um : float
        Distance of neighbouring pixels [um].
    name : str
        File of the frames, to be named where something is wrong.
    """

    frames: Floats
    depths_um: Floats
    pixel_pitch_um: float
    name: str


def read_scan(stack: str | Path, depths: str | Path, pixel_pitch_um: float, saturation: float) -> Scan:
    """Read a scan and check what would spoil a calibration.

    Parameters
    ----------
    stack : str or Path
        TIFF or OME-TIFF stack of raw readings, axes depth, y, x.
    depths : str or Path
        CSV with a column ``depth_um``, a row a frame.
    pixel_pitch_um : float
        Distance of neighbouring pixels of the frames [um].
    saturation : float
        Readings at or above this are saturated.

    Returns
    -------
    Scan
        The scan.

    Raises
    ------
    InputError
        If a file cannot be read; if readings are missing, negative, saturated or clipped at zero; if the depths are not
        numbers that increase, are not in micrometres, or are not as many as the frames.
    """
    frames = _read_frames(stack)
    _check_readings(stack, frames, saturation)
    depths_um = _read_depths(depths, pixel_pitch_um)
    if len(depths_um) != len(frames):
        raise InputError(
            f"{depths}: there are {len(depths_um)} depths for the {len(frames)} frames of {stack} (its shape is "
            f"{frames.shape}); expected axes depth, y, x and a row for each frame."
        )
    return Scan(frames, depths_um, pixel_pitch_um, str(stack))


def _read_frames(stack: str | Path) -> Floats:
    try:
        frames = tifffile.imread(stack)
    except (OSError, tifffile.TiffFileError) as error:
        raise InputError(f"{stack}: not a readable TIFF file ({error}); expected a stack of frames.") from error
    if frames.ndim != 3 or len(frames) < 2 or np.iscomplexobj(frames):
        raise InputError(
            f"{stack}: found an array of shape {frames.shape}; expected a stack of at least two grey frames with axes "
            "depth, y, x."
        )
    return frames.astype(np.float64)


def _check_readings(stack: str | Path, frames: Floats, saturation: float) -> None:
    """Raise InputError where readings cannot be those of a linear sensor."""
    for bad, what, remedy in (
        (~np.isfinite(frames), "is no number", "expected raw readings, export the stack again"),
        (frames < 0, "is negative", "expected raw readings, do not subtract the background"),
        (frames >= saturation, f"is saturated ({saturation:g} or more)", "expose less and scan again"),
    ):
        if bad.any():
            frame, y, x = np.argwhere(bad)[0]
            raise InputError(
                f"{stack}: {bad.sum()} readings are no use, the first at frame {frame}, y {y}, x {x} {what}; {remedy}."
            )
    zeros = (frames == 0).mean((1, 2))
    if zeros.max() > 1e-3:  # a few dead pixels do no harm
        raise InputError(
            f"{stack}: {zeros.max():.1%} of the readings in frame {zeros.argmax()} are clipped at zero; "
            "raise the sensor's offset and scan again."
        )


def _read_depths(path: str | Path, pixel_pitch_um: float) -> Floats:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable CSV file ({error}); expected a column depth_um.") from error
    if "depth_um" not in table:
        raise InputError(f"{path}: found the columns {list(table.columns)}; expected a column depth_um.")
    depths_um = pd.to_numeric(table["depth_um"], errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(depths_um) & (depths_um >= 0)))
    if len(wrong):
        raise InputError(
            f"{path}: depth_um of row {wrong[0] + 1} is {table['depth_um'][wrong[0]]}; expected numbers of at least 0."
        )
    falls = np.flatnonzero(np.diff(depths_um) <= 0)
    if len(falls):
        raise InputError(
            f"{path}: depth_um does not increase from row {falls[0] + 1} to {falls[0] + 2}; "
            "sort frames and depths, the nearest first."
        )
    if len(depths_um) and depths_um[-1] < pixel_pitch_um:
        raise InputError(
            f"{path}: the largest depth_um is {depths_um[-1]:g}, less than a pixel, as if in millimetres; "
            "expected micrometres."
        )
    return depths_um


def find_beads(scan: Scan) -> Floats:
    """Find the beads in the nearest frame, where they are sharpest.

    Parameters
    ----------
    scan : Scan
        The scan.

    Returns
    -------
    ndarray (B, 2)
        Centres y, x of the beads to a fraction of a pixel.

    Raises
    ------
    InputError
        If no bead stands out from the noise, or one lies at the frame's edge.
    """
    frame = scan.frames[0] - np.median(scan.frames[0])
    noise = stats.median_abs_deviation(frame, axis=None, scale="normal")
    # Smoothing by 0.7 pixels cuts white noise by 2.5. Six standard deviations are chance once in 1e9 pixels.
    smooth = ndimage.gaussian_filter(frame, 0.7)
    peaks = peak_local_max(
        smooth, min_distance=5, threshold_abs=6 * noise / 2.5, threshold_rel=0.1, exclude_border=False
    )
    if len(peaks) == 0:
        raise InputError(
            f"{scan.name}: no bead stands out from the noise in the first frame; put beads into the field, expose "
            "longer or begin nearer."
        )
    centres = np.array([_centroid(frame, peak) for peak in peaks])
    reach = np.minimum(centres, np.array(frame.shape) - 1 - centres).min(1)
    if reach.min() < 3:
        y, x = centres[reach.argmin()]
        raise InputError(
            f"{scan.name}: the bead at y {y:.1f}, x {x:.1f} lies off the field or at its edge; "
            "crop the frames so that each bead is inside by three pixels, or outside."
        )
    return centres


def _centroid(frame: Floats, peak: npt.NDArray[Any]) -> Floats:
    """Centre of light of the 7 x 7 pixels about a peak."""
    corner = np.maximum(peak - 3, 0)
    window = frame[corner[0] : peak[0] + 4, corner[1] : peak[1] + 4].clip(0)
    return corner + np.array(ndimage.center_of_mass(window))


def simulate_scan(
    acceptance: Acceptance,
    depths_um: Sequence[float],
    pixel_pitch_um: float,
    frame_pixels: int,
    beads: int,
    peak_electrons: float,
    background_electrons: float,
    read_noise_electrons: float,
    saturation: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.uint16]:
    """Render a scan of beads of unequal brightness on a ring, with shot noise and read noise, one electron a reading.

    Parameters
    ----------
    acceptance : Acceptance
        The optics.
    depths_um : sequence of float
        Depths of the D frames [um].
    pixel_pitch_um : float
        Distance of neighbouring pixels [um].
    frame_pixels : int
        Pixels of the frames in y and x.
    beads : int
        Beads in each frame.
    peak_electrons : float
        Light of the beads in the brightest pixel of each frame: every depth has its own exposure.
    background_electrons, read_noise_electrons : float
        Light beside the beads, and standard deviation of the readout.
    saturation : int
        Largest reading.
    rng : numpy.random.Generator
        Source of positions, brightness and noise.

    Returns
    -------
    ndarray (D, Y, X), uint16
        Raw readings, with an offset of 100.
    """
    turns = (np.arange(beads) + rng.uniform()) / beads
    ring = frame_pixels / 4.5 * np.stack([np.sin(2 * np.pi * turns), np.cos(2 * np.pi * turns)], 1)
    centres = (frame_pixels - 1) / 2 + ring + rng.uniform(-0.5, 0.5, (beads, 2))
    brightness = rng.uniform(0.7, 1, beads)
    frames = []
    grid = torch.arange(frame_pixels, dtype=torch.float64)
    for depth_um in depths_um:
        light = np.zeros((frame_pixels, frame_pixels))
        for share, (y, x) in zip(brightness, centres, strict=True):
            y_um, x_um = (grid - y) * pixel_pitch_um, (grid - x) * pixel_pitch_um
            light += share * spot(acceptance, depth_um, y_um, x_um, pixel_pitch_um).numpy()
        frames.append(rng.poisson(light / light.max() * peak_electrons + background_electrons))
    readout = rng.normal(ADC_OFFSET, read_noise_electrons, np.shape(frames))
    return np.rint(np.array(frames) + readout).clip(0, saturation).astype(np.uint16)
