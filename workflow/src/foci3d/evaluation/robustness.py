"""The table of errors on imagers and specimens that differ from those that networks were trained for."""

import numpy as np
import pandas as pd

from foci3d.evaluation.tables import TablePage, format_estimates

HEADINGS = {
    "error": "error [%]",
    "dice": "Dice coefficient",
    "exact": "exact class [%]",
    "mean_error_um": "error of the depth [um]",
    "depth_error_um": "error of the depth [um]",
}
"""Metrics of a summary that the table has, with their headings."""

PERTURBATIONS = {
    "none": ("as calibrated", 1.0, ""),
    "psf_width_error": ("width of the PSF", 100.0, " %"),
    "full_well_electrons": ("noise, full well", 1.0, " e-"),
    "scatter_per_mm": ("scatter", 1.0, "/mm"),
    "layer_spacing_um": ("equidistant layers", 1.0, " um"),
    "lateral_offset_um": ("sensor B displaced in x", 1.0, " um"),
    "separation_error_um": ("sensor separation", 1.0, " um"),
}
"""Label of each perturbation, and factor and unit of its amount."""

SIGNED = {"psf_width_error", "lateral_offset_um", "separation_error_um"}
"""Perturbations whose amounts are deviations, above or below 0."""


def robustness_table(scores: pd.DataFrame) -> pd.DataFrame:
    """The means over layers among the scores of `foci3d.reconstruction.robustness.assess_robustness`, by `HEADINGS`."""
    shown = (scores["layer"] == "all") & scores["metric"].isin(HEADINGS)
    keys = ["network", "dataset", "metric", "perturbation", "amount"]
    return scores.loc[shown, [*keys, "value", "ci_low", "ci_high", "n"]].reset_index(drop=True)


def robustness_page(table: pd.DataFrame) -> TablePage:
    """Format the table: one section per dataset and metric, one row per perturbation, one column per network."""
    scale = np.where(table["metric"].map(HEADINGS).str.contains("%"), 100.0, 1.0)
    values, lows, highs = (scale * table[column] for column in ("value", "ci_low", "ci_high"))
    texts = table.assign(
        text=format_estimates(values, lows, highs),
        Measurement=[_describe(*row) for row in zip(table["perturbation"], table["amount"], strict=True)],
    )
    sections = {}
    for (dataset, metric), part in texts.groupby(["dataset", "metric"], sort=False):
        wide = part.pivot_table("text", "Measurement", "network", aggfunc="first", sort=False)
        sections[f"{dataset}: {HEADINGS[str(metric)]}"] = wide.fillna("").rename_axis(columns=None).reset_index()
    note = (
        "Errors of trained networks on imagers and specimens that differ from those they were trained for. The "
        "networks are not trained again, and are given the point-spread function of the calibrated imager. The same "
        "layers are measured through a wider or narrower point-spread function, with shot and read noise, through "
        "tissue that scatters, at equal distances from each other, or by a sensor B that is displaced sideways or "
        "stands at another distance. With 95 % intervals over test samples; the resamples are the same in "
        "all rows, so differences between rows are more certain than the intervals suggest."
    )
    return TablePage("Robustness", note, table, sections)


def _describe(perturbation: str, amount: float) -> str:
    """A perturbation in words: ``width of the PSF +25 %``."""
    label, factor, unit = PERTURBATIONS[perturbation]
    sign = "+" if perturbation in SIGNED else ""
    return f"{label} {factor * amount:{sign}g}{unit}" if unit else label
