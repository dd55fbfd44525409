"""Statistics of un-blurred layers of cells, for the comparison of synthetic layers with published ones."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import distance_transform_edt

Array = npt.NDArray[Any]


def measure_layers(layers: Array, masks: Array) -> pd.DataFrame:
    """Compute the statistics of each layer.

    Parameters
    ----------
    layers : ndarray (N, L, Y, X)
        Un-blurred layers [a.u.].
    masks : ndarray (N, L, Y, X)
        1 where they hold cells, else 0.

    Returns
    -------
    DataFrame
        One row per layer: sample; layer, from 1; coverage, share of the pixels with cells; of the cell pixels
        intensity_cv, the coefficient of variation, and median_to_mean, q90_to_mean and q99_to_mean, quantiles over the
        mean; tumour_to_background, the ratio of the means; background_cv; focus_width_px, diameter of the largest disc
        among the cells. All but the coverage are NaN where a layer has no cells or nothing else.
    """
    rows = [
        {"sample": sample, "layer": layer + 1, **_measure(layers[sample, layer], masks[sample, layer] > 0)}
        for sample, layer in np.ndindex(layers.shape[:2])
    ]
    return pd.DataFrame(rows)


def _measure(image: Array, mask: Array) -> dict[str, float]:
    if mask.all() or not mask.any():
        return {"coverage": mask.mean()}
    cells, background = image[mask].astype(float), image[~mask].astype(float)
    median, q90, q99 = np.quantile(cells, [0.5, 0.9, 0.99]) / cells.mean()
    return {
        "coverage": mask.mean(),
        "intensity_cv": cells.std() / cells.mean(),
        "median_to_mean": median,
        "q90_to_mean": q90,
        "q99_to_mean": q99,
        "tumour_to_background": cells.mean() / background.mean(),
        "background_cv": background.std() / background.mean(),
        # The mask is continued beyond its edges, so that a focus may extend there.
        "focus_width_px": 2 * distance_transform_edt(np.pad(mask, 1, mode="edge")).max(),
    }


def compare_layers(measured: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Summarize measured layers beside published values.

    Parameters
    ----------
    measured : DataFrame
        From `measure_layers`.
    published : DataFrame
        Columns statistic, low, high, source.

    Returns
    -------
    DataFrame
        Columns statistic; mean, q05, median and q95 of the layers; n, number of layers in which it is defined;
        published_low, published_high and source.
    """
    names = published["statistic"]
    values = measured[names]
    summary = {
        "mean": values.mean(),
        "q05": values.quantile(0.05),
        "median": values.median(),
        "q95": values.quantile(0.95),
        "n": values.count(),
    }
    table = pd.DataFrame(summary).rename_axis("statistic").reset_index()
    return table.merge(published.rename(columns={"low": "published_low", "high": "published_high"}), on="statistic")
