"""From stacks of layers to measurements: beam, forward operator, motion and read-out.

The effects beyond the forward operator are off in the paper; `TissueConfig` sets their sizes, where 0 is off.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional

from foci3d.config.models import ImagerConfig, TissueConfig
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.optics.scattering import apply_tissue

POINTS_PER_PIXEL = 8
"""Points along the path of a motion, each with an equal share of the exposure."""


@dataclass(frozen=True)
class Imager:
    """An imager and the tissue before it.

    Parameters
    ----------
    forward_model : ForwardModel
        Forward operator in tissue, for layers with their margin.
    tissue : TissueConfig
        Effects beyond the forward operator.
    n_pixels : int
        Pixels of a measurement in y and x.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    """

    forward_model: ForwardModel
    tissue: TissueConfig
    n_pixels: int
    pixel_pitch_um: float

    @classmethod
    def from_config(cls, psf: PSF, imager: ImagerConfig, tissue: TissueConfig, n_sensors: int) -> Self:
        """Imager with `n_sensors` sensors and the point-spread function `psf`, calibrated without tissue."""
        extent = imager.n_pixels + 2 * tissue.margin_pixels
        forward_model = ForwardModel(apply_tissue(psf, tissue), extent, n_sensors, imager.sensor_separation_um)
        return cls(forward_model, tissue, imager.n_pixels, imager.pixel_pitch_um)

    def crop(self, images: Tensor) -> Tensor:
        """`images (..., Y, X)` without their margin."""
        field = slice(self.tissue.margin_pixels, self.tissue.margin_pixels + self.n_pixels)
        return images[..., field, field]


def simulate_measurements(imager: Imager, layers: Tensor, depths_um: Tensor, generators: Sequence[Generator]) -> Tensor:
    """Measurements of stacks of layers with every effect of tissue and sensors.

    Parameters
    ----------
    imager : Imager
        The imager.
    layers : Tensor (N, L, Y, X)
        Un-blurred layers with their margin [a.u.].
    depths_um : Tensor (N, L)
        Their distances from sensor A [um].
    generators : sequence of N numpy.random.Generator
        Sources of the random numbers of each sample.

    Returns
    -------
    Tensor (N, S, Y, X)
        Measurements without margin [a.u.].

    Raises
    ------
    InputError
        If a layer is outside the depths of the point-spread function.
    """
    forward_model, tissue, pitch_um = imager.forward_model, imager.tissue, imager.pixel_pitch_um
    distances_um = forward_model.distances_um(depths_um)
    if tissue.psf_width_relative_sd:
        errors = tissue.psf_width_relative_sd * _draw(generators, lambda generator: generator.standard_normal(1))
        distances_um = perturb_distances(distances_um, errors[..., None], forward_model.depths_um)
    if tissue.beam_radius_um:
        centres_um = tissue.beam_offset_um * _draw(generators, lambda generator: generator.standard_normal(2))
        layers = layers * beam_profile(centres_um, tissue.beam_radius_um, layers.shape[-1], pitch_um)[:, None]
    measurements = forward_model.project(layers, distances_um)
    if tissue.motion_um:
        longest = tissue.motion_um / pitch_um
        measurements = motion_blur(measurements, longest * _draw(generators, _draw_path), longest)
    measurements = imager.crop(measurements)
    if tissue.full_well_electrons:
        sources = [torch.Generator().manual_seed(int(generator.integers(2**63))) for generator in generators]
        readings = [simulate_readout(*pair, tissue) for pair in zip(measurements, sources, strict=True)]
        measurements = torch.stack(readings)
    return measurements


def _draw(generators: Sequence[Generator], draw: Callable[[Generator], npt.NDArray[np.float64]]) -> Tensor:
    return torch.from_numpy(np.stack([draw(generator) for generator in generators])).float()


def _draw_path(generator: Generator) -> npt.NDArray[np.float64]:
    """Vector (x, y) of a path whose direction, and whose length up to 1, are uniform."""
    length, turn = generator.random(2)
    return length * np.array([np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)])


def perturb_distances(distances_um: Tensor, errors: Tensor, psf_depths_um: Tensor) -> Tensor:
    """Distances at which the calibrated point-spread function is as wide as the real one.

    Its width grows in proportion to the distance, so that relative errors of the two are equal.

    Parameters
    ----------
    distances_um : Tensor (...)
        Distances of layers from a sensor [um].
    errors : Tensor (...)
        Relative errors of the width: real minus calibrated, over calibrated.
    psf_depths_um : Tensor (D,)
        Depths of the calibrated point-spread function, increasing [um]; distances are clipped to them.

    Returns
    -------
    Tensor (...)
        Distances [um].
    """
    return (distances_um * (1 + errors)).clamp(psf_depths_um[0], psf_depths_um[-1])


def beam_profile(centres_um: Tensor, radius_um: float, n_pixels: int, pixel_pitch_um: float) -> Tensor:
    """Illumination by a Gaussian beam.

    Parameters
    ----------
    centres_um : Tensor (N, 2)
        x and y of the beam's centre, from the centre of the image [um].
    radius_um : float
        Radius at which the illumination has fallen to 1/e^2 [um].
    n_pixels : int
        Pixels of the image in y and x.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].

    Returns
    -------
    Tensor (N, Y, X)
        Illumination, 1 at the beam's centre.
    """
    positions_um = (torch.arange(n_pixels, device=centres_um.device) - (n_pixels - 1) / 2) * pixel_pitch_um
    profile = torch.exp(-2 * ((positions_um - centres_um[..., None]) / radius_um) ** 2)  # (N, x or y, pixels)
    return profile[:, 1, :, None] * profile[:, 0, None, :]


def motion_blur(measurements: Tensor, paths: Tensor, longest: float) -> Tensor:
    """Motion of the specimen at constant speed along a straight path during the exposure.

    Parameters
    ----------
    measurements : Tensor (N, S, Y, X)
        Measurements of the specimen at rest in the middle of its path.
    paths : Tensor (N, 2)
        x and y from the start of each path to its end [pixels].
    longest : float
        Length that no path exceeds [pixels].

    Returns
    -------
    Tensor (N, S, Y, X)
        Mean of the measurements along the path, linearly interpolated between pixels.
    """
    reach = math.ceil(longest / 2)
    offsets = torch.arange(-reach, reach + 1, device=paths.device)
    count = max(1, math.ceil(longest * POINTS_PER_PIXEL))
    times = (torch.arange(count, device=paths.device) + 0.5) / count - 0.5
    points = times[:, None, None] * paths  # (points, N, 2)
    shares = (1 - (offsets - points[..., None]).abs()).clamp_min(0)  # (points, N, 2, offsets)
    kernels = torch.einsum("pny,pnx->nyx", shares[:, :, 1], shares[:, :, 0]) / count
    # conv2d correlates, but a path and its reverse have the same kernel.
    moved = functional.conv2d(measurements.transpose(0, 1), kernels[:, None], padding=reach, groups=len(paths))
    return moved.transpose(0, 1)


def simulate_readout(light: Tensor, generator: torch.Generator, tissue: TissueConfig) -> Tensor:
    """Read-out of a sensor: shot noise, read noise, saturation and analogue-to-digital conversion.

    Parameters
    ----------
    light : Tensor (...)
        Light on the pixels [a.u.].
    generator : torch.Generator
        Source of the random numbers, on the device of `light`.
    tissue : TissueConfig
        Full scale, full well, read noise and converter.

    Returns
    -------
    Tensor (...)
        Readings, from 0 to `full_scale` [a.u.]; `readout_variance` gives their variance.
    """
    electrons = torch.poisson(light * (tissue.full_well_electrons / tissue.full_scale), generator)
    read_noise = torch.randn(light.shape, generator=generator, device=light.device)
    charge = (electrons + tissue.read_noise_electrons * read_noise) / tissue.full_well_electrons
    steps = 2**tissue.adc_bits - 1
    return (charge.clamp(0, 1) * steps).round() * (tissue.full_scale / steps)


def readout_variance(level: float, tissue: TissueConfig) -> float:
    """Variance of the readings of `simulate_readout` where the mean reading is `level`, below saturation.

    Parameters
    ----------
    level : float
        Mean reading [a.u.].
    tissue : TissueConfig
        Full scale, full well, read noise and converter.

    Returns
    -------
    float
        Variances of shot noise, read noise and conversion, added up [a.u.^2]; 0 for sensors without noise.
    """
    if not tissue.full_well_electrons:
        return 0.0
    per_electron = tissue.full_scale / tissue.full_well_electrons
    adc_step = tissue.full_scale / (2**tissue.adc_bits - 1)
    return per_electron * level + (per_electron * tissue.read_noise_electrons) ** 2 + adc_step**2 / 12
