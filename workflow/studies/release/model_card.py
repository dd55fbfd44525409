"""The card of a released model: what it is for, for which imagers it holds, its scores and how it was trained."""

from collections.abc import Iterator

import pandas as pd
from torch import Tensor

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
    for name, (low, high) in description.imager_ranges().items():
        yield name, f"{low:g} to {high:g}" if low < high else f"{low:g}"


def _digest_rows(description: ModelDescription) -> list[tuple[str, str]]:
    return [(name, f"`{value}`") for name, value in description.digests if value]
