"""Measurements of what networks were not trained for, as `foci3d.config.perturbations` describes them."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from scipy import ndimage
from torch import Tensor

from foci3d.config.imager import SensorConfig, SpecimenConfig
from foci3d.config.perturbations import (
    LATERAL_OFFSET,
    LAYER_SPACING,
    NOISE,
    PERTURBATIONS,
    PSF_WIDTH_ERROR,
    SCATTER,
    SEPARATION_ERROR,
    UNPERTURBED,
    Perturbation,
)
from foci3d.config.registry import NameRegistry
from foci3d.config.studies import RobustnessConfig
from foci3d.io.samples import Samples
from foci3d.optics.forward import ForwardModel, sensor_distances_um
from foci3d.optics.psf import PSF
from foci3d.optics.sensor import Sensor
from foci3d.optics.specimen import apply_specimen
from foci3d.simulation.imager import perturb_distances

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CalibratedImager:
    """The imager that networks are given.

    Parameters
    ----------
    psf : PSF
        The calibrated point-spread function.
    forward : ForwardModel
        The calibrated imager, of that point-spread function.
    sensor : SensorConfig
        Full scale, read noise and converter of a sensor with noise.
    generator : torch.Generator
        Source of the noise.
    """

    psf: PSF
    forward: ForwardModel
    sensor: SensorConfig
    generator: torch.Generator

    def with_psf(self, psf: PSF) -> ForwardModel:
        """The imager with another point-spread function."""
        forward = self.forward
        return ForwardModel(psf, forward.n_pixels, forward.n_sensors, forward.sensor_separation_um)


Effect = Callable[[Samples[Tensor], CalibratedImager, float], Samples[Tensor]]

EFFECTS: NameRegistry[Effect] = NameRegistry("effect of the perturbation")
"""By name of the perturbation, a function from samples, the imager and an amount to the samples measured again."""


def effect(perturbation: Perturbation) -> Callable[[Effect], Effect]:
    """Register the decorated function as the effect of a perturbation."""

    def register(function: Effect) -> Effect:
        EFFECTS[perturbation.name] = function
        return function

    return register


def list_perturbations(
    robustness: RobustnessConfig, depths_um: Tensor, forward: ForwardModel
) -> Iterator[tuple[Perturbation, float]]:
    """The calibrated imager itself, then each perturbation with its amounts.

    Sensor B is misplaced only where there are two sensors, and layers are moved only where there are several. Distances
    between layers with which a stack exceeds the depths of the imager are left out, with a line in the log.

    Parameters
    ----------
    robustness : RobustnessConfig
        The amounts.
    depths_um : Tensor (N, L)
        Depths of the layers of the samples [um].
    forward : ForwardModel
        The calibrated imager.

    Yields
    ------
    Perturbation, float
        A perturbation, and one of its amounts.
    """
    for perturbation in PERTURBATIONS.values():
        if forward.n_sensors < perturbation.minimum_sensors or depths_um.shape[1] < perturbation.minimum_layers:
            continue
        amounts = getattr(robustness, perturbation.amounts) if perturbation.amounts else (0.0,)
        for amount in amounts:
            if perturbation is LAYER_SPACING and not _fits(_equidistant_um(depths_um, amount), forward):
                log.info("%s %g is left out: the stack exceeds the depths of the imager", perturbation.name, amount)
            else:
                yield perturbation, amount


def _equidistant_um(depths_um: Tensor, spacing_um: float) -> Tensor:
    """Depths of layers at equal distances about the mean of all `depths_um (N, L)`, of the same shape [um]."""
    n_layers = depths_um.shape[1]
    offsets = torch.arange(n_layers, dtype=depths_um.dtype, device=depths_um.device) - (n_layers - 1) / 2
    return (depths_um.mean() + spacing_um * offsets).expand_as(depths_um)


def _fits(depths_um: Tensor, forward: ForwardModel) -> bool:
    """Whether layers at `depths_um (N, L)` are within the depths of the point-spread function, from all sensors."""
    distances_um = forward.distances_um(depths_um)
    return bool(distances_um.min() >= forward.depths_um[0] and distances_um.max() <= forward.depths_um[-1])


@effect(UNPERTURBED)
def _measure(samples: Samples[Tensor], imager: CalibratedImager, amount: float) -> Samples[Tensor]:
    return replace(samples, measurements=imager.forward(samples.layers, samples.depths_um))


@effect(PSF_WIDTH_ERROR)
def _change_width(samples: Samples[Tensor], imager: CalibratedImager, error: float) -> Samples[Tensor]:
    forward = imager.forward
    distances_um = forward.distances_um(samples.depths_um)
    perturbed_um = perturb_distances(distances_um, torch.tensor(error), forward.depths_um)
    return replace(samples, measurements=forward.project(samples.layers, perturbed_um))


@effect(NOISE)
def _add_noise(samples: Samples[Tensor], imager: CalibratedImager, full_well: float) -> Samples[Tensor]:
    sensor = Sensor.from_config(imager.sensor.model_copy(update={"full_well_electrons": full_well}))
    exposures = imager.forward(samples.layers, samples.depths_um)
    return replace(samples, measurements=sensor.read(exposures, imager.generator))


@effect(SCATTER)
def _scatter(samples: Samples[Tensor], imager: CalibratedImager, scatter_per_mm: float) -> Samples[Tensor]:
    scattering = imager.with_psf(apply_specimen(imager.psf, SpecimenConfig(scatter_per_mm=scatter_per_mm)))
    return replace(samples, measurements=scattering(samples.layers, samples.depths_um))


@effect(LAYER_SPACING)
def _space_equally(samples: Samples[Tensor], imager: CalibratedImager, spacing_um: float) -> Samples[Tensor]:
    """Layers at equal distances about the mean depth of all samples."""
    moved = replace(samples, depths_um=_equidistant_um(samples.depths_um, spacing_um))
    return _measure(moved, imager, 0.0)


@effect(LATERAL_OFFSET)
def _displace_sensor(samples: Samples[Tensor], imager: CalibratedImager, offset_um: float) -> Samples[Tensor]:
    """Kernels of sensor B moved along x; between pixels, linear interpolation keeps the light of square pixels."""
    psf, layers, depths_um = imager.psf, samples.layers, samples.depths_um
    kernels = ndimage.shift(psf.kernels.numpy(), (0, 0, offset_um / psf.pixel_pitch_um), order=1)
    displaced = imager.with_psf(replace(psf, kernels=torch.from_numpy(kernels)))
    pair = [imager.forward(layers, depths_um)[:, :1], displaced(layers, depths_um)[:, 1:]]
    return replace(samples, measurements=torch.cat(pair, 1))


@effect(SEPARATION_ERROR)
def _change_separation(samples: Samples[Tensor], imager: CalibratedImager, error_um: float) -> Samples[Tensor]:
    """Layers that a smaller separation would put behind sensor B lie on it."""
    forward = imager.forward
    separation_um = forward.sensor_separation_um + error_um
    real_um = sensor_distances_um(samples.depths_um, forward.n_sensors, separation_um)
    within_um = real_um.clamp(forward.depths_um[0], forward.depths_um[-1])
    return replace(samples, measurements=forward.project(samples.layers, within_um))
