"""From a map of probabilities to a table of foci: connected groups of cells, each with its place and size."""

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
    """List the foci in each layer: pixels above the threshold that touch, corners included.

    Parameters
    ----------
    probability : ndarray (L, Y, X)
        Probability that a pixel holds a cell, 0 to 1.
    threshold : float
        Probability above which a pixel holds a cell.
    layer_depths_um, layer_sds_um : sequence of L floats
        Mean depth of each layer and its standard deviation [um]: where such layers were in training.
    pixel_pitch_um : float
        Distance of neighbouring pixels [um].

    Returns
    -------
    DataFrame
        A row a focus, largest first within a layer: layer (from 1), depth_um, depth_sd_um, y_um and x_um (centre, from
        the upper left corner of the picture), area_um2, probability (mean over its pixels).
    """
    properties = ("centroid", "num_pixels", "intensity_mean")
    tables = []
    for index, picture in enumerate(probability):
        regions = regionprops_table(label(picture > threshold, connectivity=2), picture, properties=properties)
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
