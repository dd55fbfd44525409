"""A bead scan by brute force: rays from each bead to many points of each pixel, added one by one.

Slow, and independent of the project's optics: geometry in angles and distances, no kernels, no convolution.
"""

from pathlib import Path

import numpy as np
import tifffile

SAMPLES = 15  # points across a pixel


def gaussian_acceptance(fwhm_deg):
    return lambda angle, _: 0.5 ** ((2 * np.degrees(angle) / fwhm_deg) ** 2)


def bead_light(y_um, x_um, height_um, pixels, pitch_um, aperture, acceptance):
    """Light (Y, X) of a bead at height_um above the point (y_um, x_um), whose origin is the middle of pixel 0, 0."""
    inside = ((np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5) * aperture * pitch_um
    picture = np.zeros((pixels, pixels))
    for shift_y in inside:
        for shift_x in inside:
            dy = (np.arange(pixels) * pitch_um + shift_y - y_um)[:, None]
            dx = (np.arange(pixels) * pitch_um + shift_x - x_um)[None, :]
            distance = np.sqrt(dy**2 + dx**2 + height_um**2)
            angle = np.arccos(height_um / distance)
            picture += acceptance(angle, np.arctan2(dy, dx)) * np.cos(angle) / distance**2
    return picture / SAMPLES**2


def expected_frames(depths_um, beads, pixels, pitch_um, standoff_um, aperture, acceptance):
    """Frames (D, Y, X) without noise; beads are (y pixels, x pixels, brightness), each frame's peak is 1."""
    frames = [
        sum(
            brightness
            * bead_light(y * pitch_um, x * pitch_um, depth_um + standoff_um, pixels, pitch_um, aperture, acceptance)
            for y, x, brightness in beads
        )
        for depth_um in depths_um
    ]
    return np.array([frame / frame.max() for frame in frames])


def readings(light, rng, peak_electrons=500, background_electrons=100, read_noise_electrons=20, gain=0.5, offset=200):
    """Raw readings of frames: shot noise, read noise, a gain in readings per electron, an offset, rounding."""
    electrons = rng.poisson(light * peak_electrons + background_electrons)
    return np.rint(gain * (electrons + rng.normal(0, read_noise_electrons, light.shape)) + offset).astype(np.uint16)


def write_scan(folder, frames, depths_um):
    """Write the TIFF stack and the CSV that a user would have."""
    stack, depths = Path(folder, "scan.tif"), Path(folder, "scan.csv")
    tifffile.imwrite(stack, frames, photometric="minisblack")
    depths.write_text("depth_um,note\n" + "".join(f"{depth},\n" for depth in depths_um))
    return stack, depths
