"""The card of a released model: what it is for, for which imagers it holds, its scores and how it was trained."""

from collections.abc import Iterator

import pandas as pd
from torch import Tensor

from foci3d.config.models import ImagerRangesConfig
from foci3d.learning.model_file import ModelDescription

SCORES = ("exact", "error", "dice", "depth_error_um", "depth_coverage_68", "depth_coverage_95", "psnr_db", "ssim")
"""Metrics on a card, of those that a task has."""


def round_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights with kernels and matrices in half precision, which halves the file; others stay as they are."""
    return {name: values.half() if values.ndim > 1 else values for name, values in weights.items()}


def write_card(description: ModelDescription, summary: pd.DataFrame, commit: str, command: str) -> str:
    """Write the card of a model.

    Parameters
    ----------
    description : ModelDescription
        The model.
    summary : DataFrame
        Scores of its tests, see `foci3d.evaluation.scores`.
    commit : str
        Commit of the repository that trained it.
    command : str
        Command that trained it.

    Returns
    -------
    str
        Markdown.
    """
    rows = summary[summary["metric"].isin(SCORES) & (summary["layer"] == "all")]
    columns = ["dataset", "metric", "value", "ci_low", "ci_high", "baseline"]
    return "\n".join(
        [
            f"# {description.network}",
            "",
            f"Task `{description.task}`: {description.in_channels} sensor(s) of {description.n_pixels} x "
            f"{description.n_pixels} pixels, {description.n_layers} layer(s), {description.n_parameters:,} weights. "
            f"Measurements are {description.normalization}.",
            "",
            "## Imagers",
            "",
            pd.DataFrame(_imager_rows(description), columns=["quantity", "range"]).to_markdown(index=False),
            "",
            "## Scores on the test datasets of the configured imager",
            "",
            rows[columns].to_markdown(index=False, floatfmt=".4g"),
            "",
            "## Training",
            "",
            f"`{command}` at commit `{commit}`: {description.best_step} of {description.training.max_steps} steps of "
            f"{description.training.batch_size} samples, seed {description.seed}, in {description.precision}.",
            "",
            pd.DataFrame(_digest_rows(description), columns=["digest of", "value"]).to_markdown(index=False),
            "",
        ]
    )


def _imager_rows(description: ModelDescription) -> Iterator[tuple[str, str]]:
    ranges = description.training.imagers
    if ranges is None:
        yield "pixel_pitch_um", f"{description.pixel_pitch_um:g}"
        yield "sensor_separation_um", f"{description.sensor_separation_um:g}"
        return
    for name, value in ranges:
        if isinstance(value, tuple):
            yield name, f"{value[0]:g} to {value[1]:g}"
    yield "noisy_share", f"{ranges.noisy_share:g}"


def _digest_rows(description: ModelDescription) -> list[tuple[str, str]]:
    return [(name, f"`{value}`") for name, value in description.digests if value]


def outside_ranges(ranges: ImagerRangesConfig, values: dict[str, float]) -> Iterator[str]:
    """Find quantities of an imager outside the ranges that a model was trained for.

    Parameters
    ----------
    ranges : ImagerRangesConfig
        The ranges.
    values : dict of str to float
        Quantities of the imager at hand, by the names of the ranges.

    Yields
    ------
    str
        A clause about a quantity: its name and value, and the range.
    """
    for name, value in values.items():
        low, high = getattr(ranges, name)
        if not low <= value <= high:
            yield f"{name} is {value:g}, outside {low:g} to {high:g}"
