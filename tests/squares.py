"""Stacks of one bright square in each layer, with the imager that measures them."""

import numpy as np
import torch

from foci3d.io.samples import Samples
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF

SEPARATION_UM = 1000.0


def draw_squares(
    psf: PSF, n_samples: int, n_layers: int, n_sensors: int, depths_um: float | None = None, seed: int = 3
) -> tuple[ForwardModel, Samples[np.ndarray]]:
    """Squares on a dark background, at random depths around even ones if not at `depths_um`."""
    rng, n_pixels = np.random.default_rng(seed), (psf.kernels.shape[-1] + 1) // 2
    masks = np.zeros((n_samples, n_layers, n_pixels, n_pixels), np.uint8)
    for index in np.ndindex(n_samples, n_layers):
        y, x = rng.integers(0, n_pixels - 6, 2)
        masks[(*index, slice(y, y + 6), slice(x, x + 6))] = 1
    layers = (0.25 + masks * rng.uniform(1, 3, (n_samples, n_layers, 1, 1))).astype(np.float32)
    random_um = np.linspace(60, 940, n_layers) + rng.uniform(-50, 50, (n_samples, n_layers))
    depths = (random_um if depths_um is None else np.full_like(random_um, depths_um)).astype(np.float32)
    forward = ForwardModel(psf, n_pixels, n_sensors, SEPARATION_UM)
    measurements = forward.at(torch.from_numpy(depths)).forward(torch.from_numpy(layers)).numpy()
    return forward, Samples(layers=layers, masks=masks, measurements=measurements, depths_um=depths)
