"""Measurements of what networks were not trained for: another PSF, noise, place of sensor B, tissue, layer spacing."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from scipy import ndimage
from torch import Tensor

from foci3d.config.models import TissueConfig
from foci3d.config.studies import RobustnessConfig
from foci3d.io.samples import Scenes
from foci3d.optics.forward import ForwardModel, sensor_distances_um
from foci3d.optics.psf import PSF
from foci3d.optics.scattering import apply_tissue
from foci3d.simulation.imager import perturb_distances, simulate_readout

UNPERTURBED = "none"


@dataclass(frozen=True)
class Perturbation:
    """A difference from the calibrated imager, or from the specimens that networks are trained for.

    Parameters
    ----------
    kind : str
        ``none``, ``psf_width_error``, ``full_well_electrons``, ``scatter_per_mm``, ``layer_spacing_um``,
        ``lateral_offset_um`` or ``separation_error_um``.
    amount : float
        Relative error of the width, number of electrons, reduced scattering coefficient [1/mm], or distance [um]; 0 for
        ``none``.
    """

    kind: str
    amount: float


def list_perturbations(robustness: RobustnessConfig, n_sensors: int, n_layers: int) -> Iterator[Perturbation]:
    """The calibrated imager itself, then each perturbation.

    Sensor B is misplaced only where there are two sensors, and layers are moved only where there are several.
    """
    amounts = {
        UNPERTURBED: (0.0,),
        "psf_width_error": robustness.psf_width_errors,
        "full_well_electrons": robustness.full_well_electrons,
        "scatter_per_mm": robustness.scatter_per_mm,
    }
    if n_layers > 1:
        amounts["layer_spacing_um"] = robustness.layer_spacings_um
    if n_sensors > 1:
        amounts["lateral_offset_um"] = robustness.lateral_offsets_um
        amounts["separation_error_um"] = robustness.separation_errors_um
    for kind, values in amounts.items():
        yield from (Perturbation(kind, value) for value in values)


def perturbed_depths_um(depths_um: Tensor, perturbation: Perturbation) -> Tensor:
    """Depths `(N, L)` of the layers: those of the samples, or equidistant about the mean depth of all samples [um]."""
    if perturbation.kind != "layer_spacing_um":
        return depths_um
    n_layers = depths_um.shape[1]
    offsets = torch.arange(n_layers, dtype=depths_um.dtype, device=depths_um.device) - (n_layers - 1) / 2
    return (depths_um.mean() + perturbation.amount * offsets).expand_as(depths_um)


def perturbed_measurements(
    samples: Scenes[Tensor],
    psf: PSF,
    forward: ForwardModel,
    perturbation: Perturbation,
    readout: TissueConfig,
    generator: torch.Generator,
) -> Tensor:
    """Measurements of the same layers by a perturbed imager.

    Parameters
    ----------
    samples : Scenes
        N samples; their layers are at `perturbed_depths_um`.
    psf : PSF
        The calibrated point-spread function.
    forward : ForwardModel
        The calibrated imager, of that point-spread function.
    perturbation : Perturbation
        What differs from it.
    readout : TissueConfig
        Full scale, read noise and converter of a sensor with noise; its other effects are left out.
    generator : torch.Generator
        Source of the noise.

    Returns
    -------
    Tensor (N, S, P, P)
        Measurements [a.u.]. Layers that a smaller separation would put behind sensor B lie on it.

    Raises
    ------
    InputError
        If a layer is outside the depths of the point-spread function.
    """

    def with_psf(other: PSF) -> ForwardModel:
        return ForwardModel(other, forward.n_pixels, forward.n_sensors, forward.sensor_separation_um)

    layers, depths_um = samples.layers, perturbed_depths_um(samples.depths_um, perturbation)
    distances_um, amount = forward.distances_um(depths_um), perturbation.amount
    match perturbation.kind:
        case "psf_width_error":
            return forward.project(layers, perturb_distances(distances_um, torch.tensor(amount), forward.depths_um))
        case "full_well_electrons":
            sensor = readout.model_copy(update={"full_well_electrons": amount})
            return simulate_readout(forward(layers, depths_um), generator, sensor)
        case "scatter_per_mm":
            scattering = {"scatter_per_mm": amount, "absorption_per_mm": 0, "margin_pixels": 0}
            return with_psf(apply_tissue(psf, readout.model_copy(update=scattering)))(layers, depths_um)
        case "lateral_offset_um":
            sensor_a = forward(layers, depths_um)[:, :1]
            sensor_b = with_psf(_displace(psf, amount))(layers, depths_um)[:, 1:]
            return torch.cat([sensor_a, sensor_b], 1)
        case "separation_error_um":
            real_um = sensor_distances_um(depths_um, forward.n_sensors, forward.sensor_separation_um + amount)
            return forward.project(layers, real_um.clamp(forward.depths_um[0], forward.depths_um[-1]))
        case _:
            return forward(layers, depths_um)


def _displace(psf: PSF, offset_um: float) -> PSF:
    """The kernels, moved along x; between pixels, linear interpolation keeps the light of square pixels."""
    kernels = ndimage.shift(psf.kernels.numpy(), (0, 0, offset_um / psf.pixel_pitch_um), order=1)
    return replace(psf, kernels=torch.from_numpy(kernels))
