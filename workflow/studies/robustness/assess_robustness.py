"""Errors of trained networks on imagers and specimens that differ from those they were trained for."""

import logging

import pandas as pd
import torch
from torch import Tensor

from foci3d.confidence.recalibration import optics_of
from foci3d.config.models import SensorConfig
from foci3d.config.studies import RobustnessConfig
from foci3d.evaluation.scores import score
from foci3d.io.samples import NumpySamples
from foci3d.learning.inference import Model, predict_samples
from foci3d.optics.psf import PSF
from foci3d.simulation.perturbations import EFFECTS, CalibratedImager, list_perturbations

log = logging.getLogger(__name__)


def assess_robustness(
    model: Model,
    psf: PSF,
    samples: NumpySamples,
    dataset: str,
    robustness: RobustnessConfig,
    sensor: SensorConfig,
    max_depth_um: float,
    n_bootstrap: int,
    seed: int,
    *,
    device: str,
    average_symmetries: bool,
) -> pd.DataFrame:
    """Score a network on perturbed measurements; the network is given the calibrated imager.

    Parameters
    ----------
    model : Model
        The network.
    psf : PSF
        The calibrated point-spread function.
    samples : Samples
        The test samples; their scenes are measured again.
    dataset : str
        Name of their dataset.
    robustness : RobustnessConfig
        The perturbations and the number of samples.
    sensor : SensorConfig
        Full scale and converter of the sensors.
    max_depth_um : float
        Depth that errors of depth maps are relative to [um].
    n_bootstrap : int
        Bootstrap resamples behind each interval. They are the same for all perturbations.
    seed : int
        Seed of the resamples and of the noise.
    device : str
        Where to compute, see `Model.predict`.
    average_symmetries : bool
        Whether to average over the symmetries of the imager.

    Returns
    -------
    DataFrame
        Columns of a summary (`foci3d.evaluation.scores`), and perturbation and amount
        (`foci3d.config.perturbations`).
    """
    first = samples[: robustness.n_samples].map(torch.from_numpy)
    noisy = sensor.model_copy(update={"read_noise_electrons": robustness.read_noise_electrons})
    forward, parts = optics_of(model, psf), []
    for perturbation, amount in list_perturbations(robustness, model.description.in_channels, first.layers.shape[1]):
        log.info("%s %g", perturbation.name, amount)
        imager = CalibratedImager(psf, forward, noisy, torch.Generator().manual_seed(seed))
        perturbed = EFFECTS[perturbation.name](first, imager, amount).map(Tensor.numpy)
        predictions = predict_samples(model, perturbed, dataset, device, average_symmetries=average_symmetries)
        _, summary = score(predictions, max_depth_um, n_bootstrap, seed)
        parts.append(summary.assign(perturbation=perturbation.name, amount=amount))
    return pd.concat(parts, ignore_index=True)
