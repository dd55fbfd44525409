"""Foci: connected groups of cell pixels, each with its position and size."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from skimage.measure import label, regionprops_table

COLUMNS = ["layer", "depth_um", "depth_sd_um", "y_um", "x_um", "area_um2", "probability"]


def find_foci(
    probability: npt.NDArray[np.floating],
    threshold: float,
    layer_depths_um: Sequence[float],
    layer_sds_um: Sequence[float],
    pixel_pitch_um: float,
) -> pd.DataFrame:
    """Find the foci in each layer: pixels above the threshold that are connected by edges or corners.

    Parameters
    ----------
    probability : ndarray (L, Y, X)
        Probability of a cell, 0 to 1.
    threshold : float
        Probability above which a pixel is classified as a cell.
    layer_depths_um, layer_sds_um : sequence of L floats
        Depth of each layer with its standard deviation [um].
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
        regions = regionprops_table(label(layer > threshold, connectivity=2), layer, properties=properties)
        table = pd.DataFrame(
            {
                "layer": index + 1,
                "depth_um": layer_depths_um[index],
                "depth_sd_um": layer_sds_um[index],
                "y_um": (regions["centroid-0"] + 0.5) * pixel_pitch_um,
                "x_um": (regions["centroid-1"] + 0.5) * pixel_pitch_um,
                "area_um2": regions["num_pixels"] * pixel_pitch_um**2,
                "probability": regions["intensity_mean"],
            }
        )
        tables.append(table.sort_values("area_um2", ascending=False, kind="stable"))
    return pd.concat(tables, ignore_index=True)[COLUMNS]
