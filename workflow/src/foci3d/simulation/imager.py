"""From stacks of layers to measurements: illumination, forward operator, motion and read-out.

The effects beyond the forward operator are off in the paper, and by default.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from numpy.random import Generator
from torch import Tensor

from foci3d.config.imager import IlluminationConfig, ImagerConfig, SensorConfig, SpecimenConfig
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.optics.sensor import Sensor
from foci3d.optics.specimen import apply_specimen, beam_profile, motion_blur


@dataclass(frozen=True)
class Imager:
    """An imager and the specimen before it.

    Parameters
    ----------
    forward_model : ForwardModel
        Forward operator behind the specimen, for layers with their margin.
    n_pixels : int
        Pixels of a measurement in y and x.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    specimen : SpecimenConfig
        Motion and margin.
    illumination : IlluminationConfig
        The beam.
    sensor : Sensor
        Read-out.
    psf_width_relative_sd : float
        Relative standard deviation of the real PSF's width.
    """

    forward_model: ForwardModel
    n_pixels: int
    pixel_pitch_um: float
    specimen: SpecimenConfig
    illumination: IlluminationConfig
    sensor: Sensor
    psf_width_relative_sd: float

    @classmethod
    def from_config(
        cls,
        psf: PSF,
        imager: ImagerConfig,
        n_sensors: int,
        specimen: SpecimenConfig = SpecimenConfig(),
        illumination: IlluminationConfig = IlluminationConfig(),
        sensor: SensorConfig = SensorConfig(),
        psf_width_relative_sd: float = 0.0,
    ) -> Self:
        """Imager with `n_sensors` sensors and the point-spread function `psf`, calibrated without specimen."""
        extent = imager.n_pixels + 2 * specimen.margin_pixels
        forward_model = ForwardModel(apply_specimen(psf, specimen), extent, n_sensors, imager.sensor_separation_um)
        effects = (specimen, illumination, Sensor.from_config(sensor), psf_width_relative_sd)
        return cls(forward_model, imager.n_pixels, imager.pixel_pitch_um, *effects)

    def crop(self, images: Tensor) -> Tensor:
        """`images (..., Y, X)` without their margin."""
        field = slice(self.specimen.margin_pixels, self.specimen.margin_pixels + self.n_pixels)
        return images[..., field, field]


def simulate_measurements(imager: Imager, layers: Tensor, depths_um: Tensor, generators: Sequence[Generator]) -> Tensor:
    """Measurements of stacks of layers with every effect of specimen, light and sensors.

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
    forward_model, illumination, pitch_um = imager.forward_model, imager.illumination, imager.pixel_pitch_um
    distances_um = forward_model.distances_um(depths_um)
    if imager.psf_width_relative_sd:
        errors = imager.psf_width_relative_sd * _draw(generators, lambda generator: generator.standard_normal(1))
        distances_um = perturb_distances(distances_um, errors[..., None], forward_model.depths_um)
    if illumination.beam_radius_um:
        centres_um = illumination.beam_offset_um * _draw(generators, lambda generator: generator.standard_normal(2))
        layers = layers * beam_profile(centres_um, illumination.beam_radius_um, layers.shape[-1], pitch_um)[:, None]
    measurements = forward_model.project(layers, distances_um)
    if imager.specimen.motion_um:
        longest = imager.specimen.motion_um / pitch_um
        measurements = motion_blur(measurements, longest * _draw(generators, _draw_path), longest)
    measurements = imager.crop(measurements)
    if imager.sensor.full_well_electrons:
        sources = [torch.Generator().manual_seed(int(generator.integers(2**63))) for generator in generators]
        measurements = torch.stack([imager.sensor.read(*pair) for pair in zip(measurements, sources, strict=True)])
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
