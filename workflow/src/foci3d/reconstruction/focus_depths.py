r"""Depths of foci, found in the measurement itself where the layers of a network do not explain it.

A network that is out-of-distribution still finds where in the image cells are, but not at which depths: of one cluster
in the dark, it draws copies in layers at the middle of the imager. Here, the pixels of all layers are joined to cells,
each with one depth. A cell is taken as its probability map, or one that is concentrated in its middle, since maps are
wider than the cells. What the sensors see of it is compared with the measurement at each depth of a grid, with the
gains of all cells and an even background free, for one cell after the other. The posterior of its depth is

.. math:: p(z) \propto \exp\left(-\frac{R(z) - \min R}{2 c s^2}\right)

with the squared residual R, its mean :math:`s^2`, and c for the correlation of residuals, which come from the shape of
the maps and not from noise.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from skimage.measure import label
from torch import Tensor

from foci3d.confidence.consistency import low_frequencies, low_frequency_residual
from foci3d.learning.model import Model
from foci3d.optics.forward import ForwardModel
from foci3d.reconstruction.foci import number_foci
from foci3d.reconstruction.volume import Reconstruction

Floats = npt.NDArray[np.float64]

N_DEPTHS = 41
"""Depths at which a cell is tried."""

CONCENTRATIONS = (0, 1, 2, 4)
"""Powers of the distance from its border that weight the map of a cell."""

N_SWEEPS = 3
MAX_CELLS = 60
"""Fits of each cell, and cells beyond which depths are not fitted."""

CORRELATED = 18.0
"""Residuals that count as one, chosen with clusters in the dark (tests/independent/series.py, seeds 5000 to 5009)."""

MAX_RESIDUAL = 1.0
"""Squared residual of the cells, relative to that of the layers, below which their depths are better."""

MIN_EVIDENCE = 10.0
"""Drop of the squared residual by a cell, in units of its variance, below which it has no light."""

FITTED_NOTE = "depths of foci fitted to the measurement"
"""Note of the quality where depths of foci are fitted."""

EVEN_DEPTHS = (0.1, 0.5, 0.9)
"""Depths of the even background [distance to the farthest depth]."""


@dataclass
class _Cell:
    """A cell with its templates `(C * D, F)`, by concentration and depth, of which one is chosen."""

    templates: Floats
    chosen: int | None = None
    depth_um: float = float("nan")
    depth_sd_um: float = float("nan")
    evidence: float = 0.0


def fit_depths(result: Reconstruction, model: Model) -> Reconstruction:
    """Find the depths of foci in the measurement, where it is out-of-distribution.

    Parameters
    ----------
    result : Reconstruction
        Reconstruction of a measurement by a network.
    model : Model
        The model that reconstructed it.

    Returns
    -------
    Reconstruction
        With foci that have the depths of their cells, and the column cell: the number of the cell in the frame, or 0 of
        foci without light in the measurement. It is unchanged if the measurement is not flagged, if a field is larger
        than that of the model, or if the layers explain the measurement as well.
    """
    size = model.description.n_pixels
    if not result.quality.depths_flagged or model.psf is None or result.measurement.shape[1:] != (size, size):
        return result
    joined = label(result.mask.any(0), connectivity=2)
    if not 0 < joined.max() <= MAX_CELLS:
        return result
    forward = model.forward_model
    cells, residual = _fit_cells(result, joined, forward, np.linspace(0, model.max_depth_um, N_DEPTHS))
    arrays = (result.measurement[None] / result.measurement.mean(), result.probability[None], result.depths_um)
    layers = low_frequency_residual(forward, arrays[0], arrays[1], np.array(arrays[2])[None])[0]
    if residual > MAX_RESIDUAL * layers**2:
        return result
    numbers = _cell_of_foci(result, joined)
    has_light = np.array([cell.evidence >= MIN_EVIDENCE for cell in cells])[numbers - 1]
    fitted = {
        name: np.array([getattr(cell, name) for cell in cells])[numbers - 1] for name in ("depth_um", "depth_sd_um")
    }
    foci = result.foci.assign(
        **{name: np.where(has_light, values, result.foci[name]) for name, values in fitted.items()},
        cell=np.where(has_light, numbers, 0),
    )
    note = "; ".join(filter(None, [result.quality.note, FITTED_NOTE]))
    return replace(result, foci=foci, quality=replace(result.quality, note=note))


def _cell_of_foci(result: Reconstruction, joined: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Number in `joined (Y, X)` of each focus of the table."""
    foci = [number_foci(mask) for mask in result.mask]
    found = [ndimage.maximum(joined, each, np.arange(1, each.max() + 1)) for each in foci if each.any()]
    return np.concatenate(found).astype(int)


def _fit_cells(
    result: Reconstruction, joined: npt.NDArray[np.integer], forward: ForwardModel, depths_um: Floats
) -> tuple[list[_Cell], float]:
    """Cells by their numbers in `joined (Y, X)`, and the mean squared residual."""
    light, image = result.probability.max(0), torch.from_numpy(result.measurement / result.measurement.mean())
    values = low_frequencies(image.float()).flatten().double().numpy()
    nodes = torch.from_numpy(depths_um).float()
    even = torch.ones(1, len(EVEN_DEPTHS), *joined.shape)
    even_um = (float(depths_um[-1]) * torch.tensor(EVEN_DEPTHS))[None]
    background = _features(forward, even, even_um)
    cells = [_Cell(_templates(forward, light * (joined == number), nodes)) for number in range(1, joined.max() + 1)]
    brightest = np.argsort([-light[joined == number].sum() for number in range(1, joined.max() + 1)])
    residual = float("inf")
    for _ in range(N_SWEEPS):
        for cell in (cells[index] for index in brightest):
            others = [each.templates[each.chosen] for each in cells if each is not cell and each.chosen is not None]
            residual = _fit_cell(cell, np.vstack([background, *others]), values, depths_um)
    return cells, residual / len(values)


def _features(forward: ForwardModel, layers: Tensor, depths_um: Tensor) -> Floats:
    """Low frequencies `(L, F)` of what the sensors see of each of `layers (1, L, P, P)`."""
    seen = forward.project_each(layers, forward.distances_um(depths_um))[0]
    return np.asarray(low_frequencies(seen).flatten(1).double())


def _templates(forward: ForwardModel, light: npt.NDArray[np.floating], depths_um: Tensor) -> Floats:
    """Templates `(C * D, F)` of a cell with a map `light (Y, X)`."""
    inside = ndimage.distance_transform_edt(np.pad(light > 0, 1))[1:-1, 1:-1]
    maps = np.stack([light * inside**power for power in CONCENTRATIONS]) / inside.max() ** np.array(
        CONCENTRATIONS
    ).reshape(-1, 1, 1)
    layers = torch.from_numpy(maps).float().repeat_interleave(len(depths_um), 0)
    return _features(forward, layers[None], depths_um.repeat(len(maps))[None])


def _fit_cell(cell: _Cell, others: Floats, values: Floats, depths_um: Floats) -> float:
    """Choose the template of a cell beside `others (C, F)`; the squared residual."""
    basis, _ = np.linalg.qr(others.T)
    rest = values - basis @ (basis.T @ values)
    free = cell.templates - (cell.templates @ basis) @ basis.T
    norms = np.maximum((free**2).sum(1), 1e-6 * (cell.templates**2).sum(1))
    residuals = rest @ rest - np.maximum(free @ rest, 0) ** 2 / norms
    variance = residuals.min() / (len(values) - len(others) - 1)
    posterior = np.exp((residuals.min() - residuals) / (2 * CORRELATED * variance))
    by_depth = posterior.reshape(-1, len(depths_um)).sum(0)
    by_depth /= by_depth.sum()
    step_um = depths_um[1] - depths_um[0]
    cell.chosen = int(residuals.argmin())
    cell.depth_um = float(by_depth @ depths_um)
    cell.depth_sd_um = float(np.sqrt(by_depth @ (depths_um - cell.depth_um) ** 2 + step_um**2 / 12))
    cell.evidence = float((rest @ rest - residuals.min()) / (CORRELATED * variance))
    return float(residuals.min())
