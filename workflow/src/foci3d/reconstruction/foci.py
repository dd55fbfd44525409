"""Foci: connected groups of cell pixels, each with its position and size, and the cells that they are."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components
from skimage.measure import label, regionprops_table

COLUMNS = ["layer", "depth_um", "depth_sd_um", "y_um", "x_um", "area_um2", "probability", "y_sd_um", "x_sd_um", "cell"]

MIN_OVERLAP = 0.5
"""Share of the pixels of the smaller of two foci that a cell has in both layers."""

MAX_DEVIATIONS = 2.0
"""Standard deviations by which the depths of one cell in two layers differ, at most."""

CORRELATED_PIXELS = 4.0
"""Pixels whose classes are wrong together, for the errors of centroids [assumed]."""

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


def find_foci(
    probability: npt.NDArray[np.floating],
    threshold: float,
    layer_depths_um: npt.ArrayLike,
    layer_sds_um: npt.ArrayLike,
    pixel_pitch_um: float,
) -> pd.DataFrame:
    """Find the foci in each layer: pixels above the threshold that are connected by edges or corners.

    Parameters
    ----------
    probability : ndarray (L, Y, X)
        Probability of a cell, 0 to 1.
    threshold : float
        Probability above which a pixel is classified as a cell.
    layer_depths_um, layer_sds_um : array_like (L,) or (L, Y, X)
        Depth of each layer with its standard deviation [um], or maps of them, whose mean over a focus is taken.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].

    Returns
    -------
    DataFrame
        One row per focus, by layer and decreasing area: layer (from 1), depth_um, depth_sd_um, y_um and x_um (centroid,
        from the upper left corner of the image), area_um2, probability (mean over its pixels), y_sd_um and x_sd_um
        (standard deviations of the centroid by the uncertainty of the pixels), and cell: the same number (from 1) for
        foci of neighbouring layers that overlap and whose depths agree within their errors. These are one cell in two
        layers, and have the same depth, the mean weighted with their probability and precision.
    """
    properties = ("centroid", "num_pixels", "intensity_mean")
    tables, numbered = [], []
    for index, layer in enumerate(probability):
        labels = number_foci(layer > threshold)
        numbered.append(labels)
        regions = regionprops_table(labels, layer, properties=properties)
        table = pd.DataFrame(
            {
                "layer": index + 1,
                "depth_um": _by_region(layer_depths_um, index, labels),
                "depth_sd_um": _by_region(layer_sds_um, index, labels),
                "y_um": (regions["centroid-0"] + 0.5) * pixel_pitch_um,
                "x_um": (regions["centroid-1"] + 0.5) * pixel_pitch_um,
                "area_um2": regions["num_pixels"] * pixel_pitch_um**2,
                "probability": regions["intensity_mean"],
                **_centroid_errors(layer, labels, pixel_pitch_um),
            }
        )
        tables.append(table)
    foci = pd.concat(tables, ignore_index=True)
    return join_cells(foci.assign(cell=_number_cells(foci, numbered)))[COLUMNS]


def _centroid_errors(layer: Floats, labels: Ints, pixel_pitch_um: float) -> dict[str, npt.NDArray[np.float64]]:
    """Standard deviations of the centroids by that of the class of each pixel, of which as many are outside."""
    index = np.arange(1, labels.max() + 1)
    variance = 2 * CORRELATED_PIXELS * layer * (1 - layer)
    errors = {}
    for name, place in zip("yx", np.indices(layer.shape), strict=True):
        middle = np.concatenate([[0.0], ndimage.mean(place, labels, index)])[labels]
        spread = np.asarray(ndimage.sum(variance * (place - middle) ** 2, labels, index))
        size = np.asarray(ndimage.sum(layer, labels, index))
        errors[f"{name}_sd_um"] = pixel_pitch_um * np.sqrt(spread / size**2 + 1 / 12 / size)
    return errors


def _number_cells(foci: pd.DataFrame, numbered: Sequence[Ints]) -> Ints:
    """Number of the cell of each focus, from 1 in the order of the table."""
    depths_um, variances = foci["depth_um"].to_numpy(float), foci["depth_sd_um"].to_numpy(float) ** 2
    firsts = np.cumsum([0, *(labels.max() for labels in numbered)])
    pairs = [np.zeros((2, 0), int)]
    for (first, second), (above, below) in zip(pairwise(firsts[:-1]), pairwise(numbered), strict=True):
        both = (above > 0) & (below > 0)
        overlaps, counts = np.unique(np.stack([above[both], below[both]]), axis=1, return_counts=True)
        smaller = np.minimum(np.bincount(above.ravel())[overlaps[0]], np.bincount(below.ravel())[overlaps[1]])
        rows = overlaps + np.array([[first - 1], [second - 1]])
        squares = (depths_um[rows[0]] - depths_um[rows[1]]) ** 2
        near = squares <= MAX_DEVIATIONS**2 * (variances[rows[0]] + variances[rows[1]])
        pairs.append(rows[:, near & (counts >= MIN_OVERLAP * smaller)])
    above, below = np.concatenate(pairs, 1)
    graph = sparse.coo_array((np.ones(len(above)), (above, below)), shape=(len(foci),) * 2)
    _, components = connected_components(graph, directed=False)
    _, starts, cells = np.unique(components, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(starts))[cells] + 1)


def join_cells(foci: pd.DataFrame) -> pd.DataFrame:
    """The same depth for all foci of a cell: the mean, weighted with probability and precision, and its error."""
    weight = foci["probability"] / foci["depth_sd_um"].clip(lower=1e-3) ** 2

    def average(values: pd.Series) -> pd.Series:
        return (weight * values).groupby(foci["cell"]).transform("sum") / weight.groupby(foci["cell"]).transform("sum")

    depth_um = average(foci["depth_um"])
    sd_um = np.sqrt(average(foci["depth_sd_um"] ** 2 + (foci["depth_um"] - depth_um) ** 2))
    is_joined = foci["cell"].duplicated(keep=False) & (foci["cell"] > 0)
    return foci.assign(
        depth_um=depth_um.where(is_joined, foci["depth_um"]), depth_sd_um=sd_um.where(is_joined, foci["depth_sd_um"])
    )


def _by_region(values: npt.ArrayLike, index: int, labels: npt.NDArray[np.integer]) -> npt.NDArray[np.floating]:
    """Value of layer `index` for each of the regions of `labels (Y, X)`: its own, or the mean of a map."""
    value, regions = np.asarray(values, float)[index], np.arange(1, labels.max() + 1)
    return np.asarray(ndimage.mean(value, labels, regions)) if value.ndim else np.full(len(regions), value)


DECIMALS = dict.fromkeys(["depth_um", "depth_sd_um", "y_um", "x_um", "y_sd_um", "x_sd_um"], 1)
DECIMALS |= {"area_um2": 0, "probability": 3}
DECIMALS |= dict.fromkeys(["displacement_um", "path_um", "azimuth_deg", "elevation_deg"], 1)


def round_foci(table: pd.DataFrame) -> pd.DataFrame:
    """Foci or tracks with the digits that mean something: 0.1 um, four digits of a brightness or a speed."""
    columns = {}
    for name in map(str, table):
        if name in DECIMALS:
            columns[name] = table[name].astype(float).round(DECIMALS[name])
        elif "brightness" in name or name.startswith(("speed_", "p_static")):
            columns[name] = table[name].map("{:.4g}".format).astype(float)
    return table.assign(**columns)


def number_foci(mask: npt.NDArray[np.bool_]) -> Ints:
    """Numbers from 1 of the foci in the `mask (Y, X)` of a layer, in the order in which `find_foci` lists them."""
    labels = label(mask, connectivity=2)
    sizes = np.bincount(labels.ravel())[1:]
    numbers = np.zeros(len(sizes) + 1, labels.dtype)
    numbers[1 + np.argsort(-sizes, kind="stable")] = 1 + np.arange(len(sizes))
    return np.asarray(numbers[labels])
