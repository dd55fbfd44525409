r"""Measurements that an answer predicts for a field of any size.

A layer is taken as :math:`g_l p_l + b_l`, its probability of cells with a gain and a background of at least 0 which
fit the measurement best. Predicted depths may vary over a field: it is rendered by blocks, each with the depths in it.
"""

from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from foci3d.confidence.consistency import nonnegative_fit
from foci3d.optics.forward import sensor_distances_um
from foci3d.optics.psf import PSF

BLOCK_PIXELS = 51
"""Pixels in y and in x of a block."""


def relative_residual(
    psf: PSF,
    sensor_separation_um: float,
    measurement: npt.NDArray[np.number],
    probability: npt.NDArray[np.floating],
    depths_um: npt.NDArray[np.floating],
) -> float:
    """Part of a measurement that an answer leaves unexplained.

    Parameters
    ----------
    psf : PSF
        Point-spread function of the imager.
    sensor_separation_um : float
        Distance between the sensors [um].
    measurement : ndarray (S, Y, X)
        Measurement in any unit.
    probability : ndarray (L, Y, X)
        Probability of a cell.
    depths_um : ndarray (L,) or (L, Y, X)
        Depth of each layer, or maps of it, whose mean over a block is taken [um].

    Returns
    -------
    float
        Root mean square of the residual over the standard deviation of the measurement: 0 if the answer explains the
        measurement, 1 if it explains no more than the mean.
    """
    scaled = torch.from_numpy(np.asarray(measurement / measurement.mean(), np.float32))
    layers = render_layers(psf, sensor_separation_um, len(scaled), probability, depths_um)
    columns, values = layers.flatten(1).double(), scaled.flatten().double()
    residual = values - nonnegative_fit(columns[None], values[None])[0] @ columns
    return float(residual.square().mean().sqrt() / values.std(correction=0))


def render_layers(
    psf: PSF,
    sensor_separation_um: float,
    n_sensors: int,
    probability: npt.NDArray[np.floating],
    depths_um: npt.NDArray[np.floating],
) -> Tensor:
    """Render each layer alone, and an even background in each layer.

    Parameters
    ----------
    psf, sensor_separation_um, probability, depths_um
        See `relative_residual`. Distances beyond those of the point-spread function are taken as its nearest.
    n_sensors : int
        Number of sensors S.

    Returns
    -------
    Tensor (2 L, S, Y, X), float32
        What the sensors see of the cells in each layer, then of the backgrounds.
    """
    cells = torch.from_numpy(np.ascontiguousarray(probability, np.float32))
    sources = torch.stack([cells, torch.ones_like(cells)])
    maps = torch.from_numpy(np.array(depths_um, np.float32))
    margin = psf.kernels.shape[-1] - 1
    extents = cells.shape[1:]
    canvas = torch.zeros(2, len(cells), n_sensors, *(extent + margin for extent in extents))
    for y, x in product(*(range(0, extent, BLOCK_PIXELS) for extent in extents)):
        window = (..., slice(y, y + BLOCK_PIXELS), slice(x, x + BLOCK_PIXELS))
        depths = maps if maps.ndim == 1 else maps[window].mean((1, 2))
        distances = sensor_distances_um(depths[None], n_sensors, sensor_separation_um)[0]
        kernels = psf.interpolate(distances.clamp(psf.depths_um[0], psf.depths_um[-1]))
        rendered = _convolve(sources[window][:, :, None], kernels.transpose(0, 1))
        canvas[..., y : y + rendered.shape[-2], x : x + rendered.shape[-1]] += rendered
    first = margin // 2
    return canvas[..., first : first + extents[0], first : first + extents[1]].flatten(0, 1)


def _convolve(images: Tensor, kernels: Tensor) -> Tensor:
    """Full convolution of `images (..., Y, X)` with `kernels (..., K, K)`."""
    size = [extent + kernels.shape[-1] - 1 for extent in images.shape[-2:]]
    return torch.fft.irfft2(torch.fft.rfft2(images, size) * torch.fft.rfft2(kernels, size), size)
