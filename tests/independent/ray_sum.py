"""Bead scans and kernels by a sum over rays from each bead to many points of each pixel.

Slow, and independent of the library's optics: geometry in angles and distances, no kernels, no convolution.
"""

from pathlib import Path

import numpy as np
import tifffile

from foci3d.calibration.frame_model import Frame

SAMPLES = 15  # points across a pixel

# The scan of `make_scan`.
PITCH_UM = 55.0
DEPTHS_UM = (25, 80, 200, 400, 700, 1000)
BEADS = ((13.3, 12.8, 1.0), (32.1, 22.4, 0.8), (14.6, 32.2, 0.7))
N_PIXELS = 45
FWHM_DEG, STANDOFF_UM = 36.0, 20.0


def gaussian_acceptance(fwhm_deg):
    return lambda angle, _: 0.5 ** ((2 * np.degrees(angle) / fwhm_deg) ** 2)


def ring_acceptance(angle, _):
    """An acceptance with a bright ring at 25 degrees, far from a Gaussian."""
    degrees = np.degrees(angle)
    return 0.5 ** ((2 * degrees / 30) ** 2) + 0.3 * np.exp(-(((degrees - 25) / 5) ** 2))


def oval_acceptance(angle, direction):
    """An acceptance that is wider along x than along y."""
    width_deg = 36 + 8 * np.cos(2 * direction)
    return 0.5 ** ((2 * np.degrees(angle) / width_deg) ** 2)


def bead_light(y_um, x_um, height_um, n_pixels, pitch_um, linear_fill_factor, acceptance):
    """Light (Y, X) of a bead at height_um above the point (y_um, x_um), whose origin is the middle of pixel 0, 0."""
    inside = ((np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5) * linear_fill_factor * pitch_um
    image = np.zeros((n_pixels, n_pixels))
    for shift_y in inside:
        for shift_x in inside:
            dy = (np.arange(n_pixels) * pitch_um + shift_y - y_um)[:, None]
            dx = (np.arange(n_pixels) * pitch_um + shift_x - x_um)[None, :]
            distance = np.sqrt(dy**2 + dx**2 + height_um**2)
            angle = np.arccos(height_um / distance)
            image += acceptance(angle, np.arctan2(dy, dx)) * np.cos(angle) / distance**2
    return image / SAMPLES**2


def expected_frames(depths_um, beads, n_pixels, pitch_um, standoff_um, linear_fill_factor, acceptance):
    """Frames (D, Y, X) without noise; beads are (y pixels, x pixels, brightness), each frame's peak is 1."""
    frames = [
        sum(
            brightness
            * bead_light(
                y * pitch_um, x * pitch_um, depth_um + standoff_um, n_pixels, pitch_um, linear_fill_factor, acceptance
            )
            for y, x, brightness in beads
        )
        for depth_um in depths_um
    ]
    return np.array([frame / frame.max() for frame in frames])


def readings(light, rng, peak_electrons=500, background_electrons=100, read_noise_electrons=20, gain=0.5, offset=200):
    """Raw readings of frames: shot noise, read noise, a gain in readings per electron, an offset, rounding."""
    electrons = rng.poisson(light * peak_electrons + background_electrons)
    return np.rint(gain * (electrons + rng.normal(0, read_noise_electrons, light.shape)) + offset).astype(np.uint16)


def to_frames(readings, depths_um, pitch_um=PITCH_UM):
    """A scan as `read_scan` gives it."""
    return [
        Frame(values, float(depth), pitch_um, "scan.tif") for values, depth in zip(readings, depths_um, strict=True)
    ]


def make_scan(acceptance=None, seed=0, pitch_um=PITCH_UM, **readout):
    """A scan of the beads above, of a Gaussian acceptance by default."""
    acceptance = acceptance or gaussian_acceptance(FWHM_DEG)
    light = expected_frames(DEPTHS_UM, BEADS, N_PIXELS, pitch_um, STANDOFF_UM, 1.0, acceptance)
    frames = readings(light, np.random.default_rng(seed), **readout)
    return to_frames(frames.astype(float), DEPTHS_UM, pitch_um)


def true_kernels(acceptance, depths_um, n_pixels, pitch_um=PITCH_UM):
    """Kernels (D, K, K) of an acceptance, each with sum 1."""
    middle_um, size = (n_pixels - 1) * pitch_um, 2 * n_pixels - 1
    heights_um = [depth_um + STANDOFF_UM for depth_um in depths_um]
    kernels = [bead_light(middle_um, middle_um, h, size, pitch_um, 1.0, acceptance) for h in heights_um]
    return np.array(kernels) / np.sum(kernels, (1, 2), keepdims=True)


def write_scan(folder, frames, depths_um):
    """Write the TIFF stack and the CSV that a user would have."""
    stack, depths = Path(folder, "scan.tif"), Path(folder, "scan.csv")
    tifffile.imwrite(stack, frames, photometric="minisblack")
    depths.write_text("depth_um,note\n" + "".join(f"{depth},\n" for depth in depths_um))
    return stack, depths
