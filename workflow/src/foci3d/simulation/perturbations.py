"""Measurements by an imager that differs from the calibrated one: PSF, noise and place of sensor B."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from scipy import ndimage
from torch import Tensor

from foci3d.config.models import TissueConfig
from foci3d.config.robustness import RobustnessConfig
from foci3d.optics.forward import ForwardModel, sensor_distances_um
from foci3d.optics.psf import PSF
from foci3d.simulation.imager import perturb_distances, simulate_readout

UNPERTURBED = "none"


@dataclass(frozen=True)
class Perturbation:
    """A difference between the real imager and the calibrated one.

    Parameters
    ----------
    kind : str
        ``none``, ``psf_width_error``, ``full_well_electrons``, ``lateral_offset_um`` or ``separation_error_um``.
    amount : float
        Relative error of the width, number of electrons, or distance [um]; 0 for ``none``.
    """

    kind: str
    amount: float


def list_perturbations(robustness: RobustnessConfig, n_sensors: int) -> Iterator[Perturbation]:
    """The calibrated imager itself, then each perturbation; sensor B is misplaced only where there are two sensors."""
    amounts = {
        UNPERTURBED: (0.0,),
        "psf_width_error": robustness.psf_width_errors,
        "full_well_electrons": robustness.full_well_electrons,
    }
    if n_sensors > 1:
        amounts["lateral_offset_um"] = robustness.lateral_offsets_um
        amounts["separation_error_um"] = robustness.separation_errors_um
    for kind, values in amounts.items():
        yield from (Perturbation(kind, value) for value in values)


def perturbed_measurements(
    samples: Mapping[str, Tensor],
    psf: PSF,
    forward: ForwardModel,
    perturbation: Perturbation,
    readout: TissueConfig,
    generator: torch.Generator,
) -> Tensor:
    """Measurements of the same scenes by a perturbed imager.

    Parameters
    ----------
    samples : mapping of str to Tensor
        Arrays of N samples as in a shard: layers (N, L, P, P) and depths_um (N, L).
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
    """
    layers, depths_um = samples["layers"], samples["depths_um"]
    distances_um, amount = forward.distances_um(depths_um), perturbation.amount
    match perturbation.kind:
        case "psf_width_error":
            return forward.project(layers, perturb_distances(distances_um, torch.tensor(amount), forward.depths_um))
        case "full_well_electrons":
            sensor = readout.model_copy(update={"full_well_electrons": amount})
            return simulate_readout(forward(layers, depths_um), generator, sensor)
        case "lateral_offset_um":
            displaced = ForwardModel(
                _displace(psf, amount), forward.n_pixels, forward.n_sensors, forward.sensor_separation_um
            )
            sensor_a, sensor_b = forward(layers, depths_um)[:, :1], displaced(layers, depths_um)[:, 1:]
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
