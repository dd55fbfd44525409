"""Reconstruction of a few single cells as points, see `foci3d.classical.points`, in fields of any size by tiles.

Each tile fits the cells in its middle and those around it, of which it keeps the ones that are nearer to its middle
than to that of any other tile. The light of the cells of other tiles is subtracted, and a second sweep over the tiles
has all of it.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from foci3d.classical.points import PointFit, PointLocalizer
from foci3d.confidence.quality import Quality
from foci3d.errors import InputError
from foci3d.evaluation.metrics import CELL_THRESHOLD
from foci3d.learning.model import Model
from foci3d.optics.points import BRIGHTNESS, DEPTH, VARIANCE, PointOptics, X, Y
from foci3d.reconstruction.tiles import Tiling
from foci3d.reconstruction.volume import Reconstruction

Floats = npt.NDArray[np.float64]

N_SLABS = 6
"""Slabs of depth in which the cells are drawn."""

N_SWEEPS = 2
"""Fits of each tile of a field."""

BRIGHTNESS_COLUMNS = ["brightness", "brightness_sd"]
"""Columns of `cell_table` that the foci of layers do not have."""


@dataclass(frozen=True)
class FieldFit:
    """Cells in a field of any size.

    Parameters
    ----------
    points, standard_errors : ndarray (N, 5)
        See `foci3d.classical.points.PointFit`; y and x from the first pixel of the field.
    has_tissue : bool
        Whether the background is diffuse tissue, in any tile.
    misfit : float
        Mean squared residual in units of the variance of the noise, averaged over the tiles.
    """

    points: Floats
    standard_errors: Floats
    has_tissue: bool
    misfit: float


def localize_field(measurement: npt.NDArray[np.number], localizer: PointLocalizer) -> FieldFit:
    """Localize the cells in a `measurement (S, Y, X)` of at least the pixels of the localizer's imager."""
    size = localizer.optics.n_pixels
    tiling = Tiling(size, cut=size // 6, ramp=size // 6)
    starts = [tiling.starts(extent) for extent in measurement.shape[1:]]
    places = list(product(*(range(len(each)) for each in starts)))
    kept: dict[tuple[int, ...], tuple[Floats, Floats]] = {}
    fits: dict[tuple[int, ...], PointFit] = {}
    for _ in range(N_SWEEPS if len(places) > 1 else 1):
        for place in places:
            start = np.array([each[index] for each, index in zip(starts, place, strict=True)])
            window = tuple(slice(first, first + size) for first in start)
            others = [points for other, (points, _) in kept.items() if other != place]
            known = _light_in_window(np.concatenate([np.zeros((0, 5)), *others]), start, localizer.optics)
            fit = fits[place] = localizer.localize(measurement[:, *window], known=known)
            points = fit.points + np.array([*start, 0, 0, 0])
            nearest = [abs(points[:, [axis]] - (each + (size - 1) / 2)).argmin(1) for axis, each in enumerate(starts)]
            is_own = (np.stack(nearest, 1) == place).all(1)
            kept[place] = points[is_own], fit.standard_errors[is_own]
    points, errors = (np.concatenate(each) for each in zip(*kept.values(), strict=True))
    order = points[:, DEPTH].argsort()
    has_tissue = any(fit.has_tissue for fit in fits.values())
    return FieldFit(points[order], errors[order], has_tissue, float(np.mean([fit.misfit for fit in fits.values()])))


def _light_in_window(points: Floats, start: npt.NDArray[np.integer], optics: PointOptics) -> Floats:
    """Light `(S, P, P)` of points of a field in the window that starts at pixel `start (2,)`."""
    moved = points - np.array([*start, 0, 0, 0])
    beyond = abs(moved[:, :2] - (optics.n_pixels - 1) / 2).max(1, initial=0)
    return np.asarray(optics.images(moved[beyond < optics.n_pixels - 1]).sum(0))


def cell_table(fit: FieldFit, slabs: npt.NDArray[np.integer], pixel_pitch_um: float) -> pd.DataFrame:
    """Foci of a fit: the columns of `find_foci`, then standard errors and brightness, of cells by depth.

    The columns layer (from 1), depth_um, depth_sd_um, y_um and x_um (from the upper left corner), area_um2 (that of a
    pixel, or of a disc of the fitted size), probability (1), y_sd_um, x_sd_um, brightness and brightness_sd (light on
    each sensor, in the unit of the images), and cell (its number from 1).
    """
    points, errors = fit.points, fit.standard_errors
    return pd.DataFrame(
        {
            "layer": slabs + 1,
            "depth_um": points[:, DEPTH],
            "depth_sd_um": errors[:, DEPTH],
            "y_um": (points[:, Y] + 0.5) * pixel_pitch_um,
            "x_um": (points[:, X] + 0.5) * pixel_pitch_um,
            "area_um2": np.maximum(1.0, 4 * np.pi * points[:, VARIANCE]) * pixel_pitch_um**2,
            "probability": np.ones(len(points)),
            "y_sd_um": errors[:, Y] * pixel_pitch_um,
            "x_sd_um": errors[:, X] * pixel_pitch_um,
            "brightness": points[:, BRIGHTNESS],
            "brightness_sd": errors[:, BRIGHTNESS],
            "cell": np.arange(1, len(points) + 1),
        }
    )


def point_localizer(model: Model, n_sensors: int) -> PointLocalizer:
    """Localizer for the imager of a model.

    Raises
    ------
    InputError
        If the model has no point-spread function, or this does not cover the depths between the sensors.
    """
    if model.psf is None:
        raise InputError("specimen: cells need the point-spread function of the imager. Give the file of the PSF.")
    return PointLocalizer(PointOptics(model.psf, (0.0, model.sensor_separation_um)[:n_sensors]))


def describe_fit(fit: FieldFit) -> str:
    """What a fit found, in a few words."""
    background = "in diffuse tissue" if fit.has_tissue else "on an even background"
    return f"{len(fit.points)} single cells {background} leave {fit.misfit:.2f} x the noise"


def render_cells(
    fit: FieldFit, measurement: npt.NDArray[Any], model: Model, threshold: float = CELL_THRESHOLD
) -> Reconstruction:
    """Draw single cells in slabs of depth.

    Parameters
    ----------
    fit : FieldFit
        The cells.
    measurement : ndarray (S, Y, X)
        Images of the sensors.
    model : Model
        Its geometry is used, not its network.
    threshold : float
        As of `foci3d.reconstruct`; probabilities are 1 in the pixels of cells, else 0.

    Returns
    -------
    Reconstruction
        Layers are slabs of depth, `foci` is `cell_table`.
    """
    low, high = 0.0, max(model.sensor_separation_um, *fit.points[:, DEPTH].tolist(), 0.0)
    width_um = (high - low) / N_SLABS
    slabs = ((fit.points[:, DEPTH] - low) / width_um).astype(int).clip(0, N_SLABS - 1)
    probability = np.zeros((N_SLABS, *measurement.shape[1:]), np.float32)
    pixels = fit.points[:, :2].round().astype(int).clip(0, np.array(measurement.shape[1:]) - 1)
    probability[slabs, *pixels.T] = 1
    return Reconstruction(
        measurement=measurement,
        probability=probability,
        depths_um=tuple((low + width_um * (np.arange(N_SLABS) + 0.5)).tolist()),
        depth_sds_um=(width_um / 12**0.5,) * N_SLABS,
        occupancy=tuple(float(layer.any()) for layer in probability),
        foci=cell_table(fit, slabs, model.pixel_pitch_um),
        threshold=threshold,
        pixel_pitch_um=model.pixel_pitch_um,
        sensor_depths_um=(0.0, model.sensor_separation_um)[: len(measurement)],
        quality=Quality(note=describe_fit(fit)),
        specimen="cells",
    )
