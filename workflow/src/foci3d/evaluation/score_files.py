"""The tables of scores of a predictions file, as CSV."""

from pathlib import Path

from foci3d.evaluation.roc import trace_roc
from foci3d.evaluation.scores import score
from foci3d.io.atomic import atomic_path
from foci3d.io.predictions import Predictions


def save_scores(
    predictions: Predictions,
    max_depth_um: float,
    n_bootstrap: int,
    seed: int,
    samples: str | Path,
    summary: str | Path,
    roc: str | Path | None = None,
) -> None:
    """Score predictions, and write the tables.

    Parameters
    ----------
    predictions : Predictions
        Outputs and targets.
    max_depth_um, n_bootstrap, seed
        As of `foci3d.evaluation.scores.score`.
    samples, summary : str or Path
        Files of the tables of `foci3d.evaluation.scores.score`.
    roc : str or Path, optional
        File of the curves of `foci3d.evaluation.roc.trace_roc`.

    Raises
    ------
    InputError
        If the task has no scores or, where they are asked for, no ROC curves.
    """
    tables = dict(zip((samples, summary), score(predictions, max_depth_um, n_bootstrap, seed), strict=True))
    if roc:
        tables[roc] = trace_roc(predictions)
    for path, table in tables.items():
        with atomic_path(path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
