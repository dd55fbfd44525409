"""Pack a trained network for release, with its card.

Reads the model (JSON and safetensors), its curves and summaries of its tests (CSV); writes the model with weights in
half precision, the curves and the card (Markdown).
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from torch import Tensor

from foci3d.config.tasks import COUNT_METRICS, TASKS
from foci3d.io.atomic import atomic_path
from foci3d.learning.model_file import ModelDescription, read_model, save_weights
from foci3d.workflow.job import run_job
from foci3d.workflow.provenance import find_commit

SCORES = (
    *("exact", "error", "dice", "depth_error_um", "depth_coverage_68", "depth_coverage_95", "psnr_db", "ssim"),
    *COUNT_METRICS,
)
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
    counts_layers = TASKS[description.task].counts_layers
    rows = summary[summary["metric"].isin(SCORES) & ((summary["layer"] == "all") | counts_layers)]
    columns = ["dataset", "metric", *(["layer"] if counts_layers else []), "value", "ci_low", "ci_high", "baseline"]
    n_layers = f"{'0 to ' if counts_layers else ''}{description.n_layers} layer(s)"
    return "\n".join(
        [
            f"# {description.network}",
            "",
            f"Task `{description.task}`: {description.in_channels} sensor(s) of {description.n_pixels} x "
            f"{description.n_pixels} pixels, {n_layers}, {description.n_parameters:,} weights. "
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


def main(
    model: Path,
    weights: Path,
    curves: Path,
    summaries: list[Path],
    command: str,
    released_model: Path,
    released_weights: Path,
    released_curves: Path,
    card: Path,
) -> None:
    description, values = read_model(model, weights)
    save_weights(round_weights(values), description, released_model, released_weights)
    released, _ = read_model(released_model, released_weights)
    with atomic_path(released_curves) as path:
        shutil.copyfile(curves, path)
    summary = pd.concat(map(pd.read_csv, summaries), ignore_index=True)
    with atomic_path(card) as path:
        path.write_text(write_card(released, summary, find_commit(Path(__file__).parent), command))


if __name__ == "__main__":
    run_job(main)
