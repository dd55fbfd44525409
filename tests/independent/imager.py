"""An imager of two sensors that face each other, by sums over rays in numpy, with the imperfections of a real one.

It shares no code with `foci3d.optics` and `foci3d.simulation`. Every pixel of a scene, and every point, emits at one
place; a pixel of a sensor averages the rays over its area.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import fft, ndimage

N_PIXELS = 51
PITCH_UM = 55.0
SEPARATION_UM = 1000.0
FWHM_DEG = 36.0
STANDOFF_UM = 20.0
FARTHEST_SLOPE = 6.0  # 80 degrees, where less than a millionth of the light of a ray is accepted


@dataclass(frozen=True)
class Imperfections:
    """What a real imager does that its description does not say; by default nothing."""

    offset: float = 0.0  # constant added to every pixel [mean of the signal of both sensors]
    offset_b: float | None = None  # that of sensor B, if it is another
    gain_b: float = 1.0  # of sensor B, relative to sensor A
    shift_b_px: tuple[float, float] = (0.0, 0.0)  # pixel p of sensor B is at p + shift (y, x)
    rotation_b_deg: float = 0.0  # of sensor B about its middle
    separation_error_um: float = 0.0  # by which sensor B is farther away
    psf_width: float = 1.0  # factor on the width of the point-spread function
    n_hot: int = 0  # hot pixels of each sensor
    n_dead_columns: int = 0  # of each sensor
    full_well_electrons: float = 1e5  # infinite: no noise and no conversion
    read_noise_electrons: float = 20.0
    adc_bits: int = 12


def pixel_light(y_um: np.ndarray, x_um: np.ndarray, height_um: float, fwhm_deg: float = FWHM_DEG) -> np.ndarray:
    """Light `(Y, X)` in pixels whose middles are at y_um and x_um from the foot of a point emitter."""
    n_samples = max(3, int(np.ceil(15 * PITCH_UM / height_um)))
    nodes, weights = np.polynomial.legendre.leggauss(n_samples)
    inside_um, shares = nodes * PITCH_UM / 2, weights / 2
    light = np.zeros((len(y_um), len(x_um)))
    reach_um = FARTHEST_SLOPE * height_um + PITCH_UM
    near_y, near_x = (np.flatnonzero(np.abs(values) <= reach_um) for values in (y_um, x_um))
    y, x = (values[:, None] + inside_um for values in (y_um[near_y], x_um[near_x]))  # (Y, sample), (X, sample)
    squares = y[:, :, None, None] ** 2 + x**2
    angle_deg = np.degrees(np.arctan(np.sqrt(squares) / height_um))
    rays = 0.5 ** ((2 * angle_deg / fwhm_deg) ** 2) * height_um / (squares + height_um**2) ** 1.5
    light[np.ix_(near_y, near_x)] = np.einsum("yaxb,a,b->yx", rays, shares, shares, optimize=True) * PITCH_UM**2
    return light


@cache
def light_per_point(height_um: float, fwhm_deg: float = FWHM_DEG) -> float:
    """Light that all pixels together receive of a point, to normalize by."""
    extent = int(np.ceil(FARTHEST_SLOPE * height_um / PITCH_UM)) + 1
    centres_um = np.arange(-extent, extent + 1) * PITCH_UM
    return float(pixel_light(centres_um, centres_um, height_um, fwhm_deg).sum())


@cache
def kernel(height_um: float, radius_px: int, shift_px: tuple[float, float], fwhm_deg: float = FWHM_DEG) -> np.ndarray:
    """Light of a point in the pixels up to `radius_px` away, of a sensor shifted by `shift_px`; in all, 1."""
    centres = np.arange(-radius_px, radius_px + 1)
    light = pixel_light(*((centres + shift) * PITCH_UM for shift in shift_px), height_um, fwhm_deg)
    return light / light_per_point(height_um, fwhm_deg)


def heights_um(depths_um: np.ndarray, flaws: Imperfections) -> np.ndarray:
    """Heights `(S, L)` above the pixels of sensors A and B; a wider PSF is that of a higher point."""
    distances = np.stack([depths_um, SEPARATION_UM + flaws.separation_error_um - depths_um])
    return flaws.psf_width * (distances + STANDOFF_UM)


def project(
    layers: np.ndarray,
    heights: np.ndarray,
    shift_px: tuple[float, float],
    n_pixels: int,
    fwhm_deg: float = FWHM_DEG,
) -> np.ndarray:
    """Image of one sensor of n_pixels in the middle of `layers (L, Y, X)` at `heights (L,)`."""
    extent = layers.shape[-1]
    radius = (extent + n_pixels) // 2
    size = fft.next_fast_len(extent + 2 * radius, real=True)
    kernels = np.stack([kernel(float(height), radius, shift_px, fwhm_deg) for height in heights])
    spectrum = (fft.rfft2(layers, (size, size)) * fft.rfft2(kernels, (size, size))).sum(0)
    first = radius + (extent - n_pixels) // 2
    return fft.irfft2(spectrum, (size, size))[first : first + n_pixels, first : first + n_pixels]


def measure_light(layers: np.ndarray, depths_um: np.ndarray, flaws: Imperfections = Imperfections()) -> np.ndarray:
    """Light `(S, P, P)` on both sensors, of layers that may reach beyond them, before offset, gain and noise."""
    a, b = heights_um(np.asarray(depths_um, float), flaws)
    spare = 0 if flaws.rotation_b_deg == 0 else 4  # pixels around sensor B to rotate in
    image_b = project(layers, b, flaws.shift_b_px, N_PIXELS + 2 * spare)
    if spare:
        image_b = ndimage.rotate(image_b, flaws.rotation_b_deg, reshape=False, order=3)[spare:-spare, spare:-spare]
    return np.stack([project(layers, a, (0.0, 0.0), N_PIXELS), image_b])


def point_light(points: np.ndarray, flaws: Imperfections = Imperfections()) -> np.ndarray:
    """Light `(S, P, P)` on both sensors of `points (N, 4)`: y, x [pixels], depth [um] and light in all."""
    images, centres = np.zeros((2, N_PIXELS, N_PIXELS)), np.arange(N_PIXELS)
    angle, middle = np.radians(flaws.rotation_b_deg), (N_PIXELS - 1) / 2
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for y, x, depth_um, light in np.asarray(points, float):
        places = (y, x), rotation @ (np.array([y, x]) - flaws.shift_b_px - middle) + middle
        for image, height, (py, px) in zip(images, heights_um(np.array([depth_um]), flaws)[:, 0], places, strict=True):
            seen = pixel_light((centres - py) * PITCH_UM, (centres - px) * PITCH_UM, height)
            image += light * seen / light_per_point(float(height))
    return images


def read_out(light: np.ndarray, flaws: Imperfections, rng: np.random.Generator) -> np.ndarray:
    """Readings `(S, P, P)` of the light, whose largest value is 0.8 of a full pixel; hot pixels are drawn above it."""
    offsets = np.array([flaws.offset, flaws.offset if flaws.offset_b is None else flaws.offset_b]) * light.mean()
    signal = (light + offsets[:, None, None]) * np.array([1.0, flaws.gain_b])[:, None, None]
    signal = (signal * (0.8 / signal.max())).clip(0)  # the transform and the rotation leave values just below 0
    if np.isfinite(flaws.full_well_electrons):
        electrons = rng.poisson(signal * flaws.full_well_electrons)
        electrons = electrons + rng.normal(0, flaws.read_noise_electrons, signal.shape)
        n_steps = 2**flaws.adc_bits - 1
        signal = np.rint((electrons / flaws.full_well_electrons).clip(0, 1) * n_steps) / n_steps
    for image in signal:
        places = rng.choice(image.size, flaws.n_hot, replace=False)
        image.ravel()[places] = rng.uniform(0.4, 1, flaws.n_hot)
        image[:, rng.choice(N_PIXELS, flaws.n_dead_columns, replace=False)] = 0
    return signal


def measure(
    layers: np.ndarray, depths_um: np.ndarray, flaws: Imperfections = Imperfections(), seed: int = 0
) -> np.ndarray:
    """Readings `(S, P, P)` of both sensors; see `measure_light` and `read_out`."""
    return read_out(measure_light(layers, depths_um, flaws), flaws, np.random.default_rng(seed))
