"""Foci: connected groups of cell pixels, each with its position and size."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage
from skimage.measure import label, regionprops_table

COLUMNS = ["layer", "depth_um", "depth_sd_um", "y_um", "x_um", "area_um2", "probability"]


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
        from the upper left corner of the image), area_um2, probability (mean over its pixels).
    """
    properties = ("centroid", "num_pixels", "intensity_mean")
    tables = []
    for index, layer in enumerate(probability):
        labels = label(layer > threshold, connectivity=2)
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
            }
        )
        tables.append(table.sort_values("area_um2", ascending=False, kind="stable"))
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def _by_region(values: npt.ArrayLike, index: int, labels: npt.NDArray[np.integer]) -> npt.NDArray[np.floating]:
    """Value of layer `index` for each of the regions of `labels (Y, X)`: its own, or the mean of a map."""
    value, regions = np.asarray(values, float)[index], np.arange(1, labels.max() + 1)
    return np.asarray(ndimage.mean(value, labels, regions)) if value.ndim else np.full(len(regions), value)


DECIMALS = dict.fromkeys(["depth_um", "depth_sd_um", "y_um", "x_um", "y_sd_um", "x_sd_um"], 1)
DECIMALS |= {"area_um2": 0, "probability": 3}


def round_foci(foci: pd.DataFrame) -> pd.DataFrame:
    """Foci with the digits that mean something: 0.1 um, four digits of a brightness."""
    columns = {}
    for name in map(str, foci):
        if name in DECIMALS:
            columns[name] = foci[name].astype(float).round(DECIMALS[name])
        elif "brightness" in name:
            columns[name] = foci[name].map("{:.4g}".format).astype(float)
    return foci.assign(**columns)


def number_foci(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.integer]:
    """Numbers from 1 of the foci in the `mask (Y, X)` of a layer, in the order in which `find_foci` lists them."""
    labels = label(mask, connectivity=2)
    sizes = np.bincount(labels.ravel())[1:]
    numbers = np.zeros(len(sizes) + 1, labels.dtype)
    numbers[1 + np.argsort(-sizes, kind="stable")] = 1 + np.arange(len(sizes))
    return np.asarray(numbers[labels])
