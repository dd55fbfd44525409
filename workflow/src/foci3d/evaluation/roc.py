"""ROC curves of the probabilities of cells in a predictions file."""

import numpy as np
import pandas as pd

from foci3d.config.tasks import TASKS, OutputKind, tasks_of_kind
from foci3d.errors import InputError
from foci3d.evaluation import metrics
from foci3d.io.predictions import Predictions


def trace_roc(predictions: Predictions) -> pd.DataFrame:
    """ROC curve of each layer, pooled over samples, and the mean of these curves at equal false-positive rate.

    Parameters
    ----------
    predictions : Predictions
        Outputs and targets of a task with probabilities of a cell.

    Returns
    -------
    DataFrame
        Columns layer (1 to L, and `mean`), threshold (NaN for the mean), false_positive_rate, true_positive_rate, auc.

    Raises
    ------
    InputError
        If the task is another.
    """
    if TASKS[predictions.task].kind is not OutputKind.CELL_PROBABILITIES:
        raise InputError(
            f"{predictions.network} on {predictions.dataset}: task {predictions.task} has no ROC curve; "
            f"expected {tasks_of_kind(OutputKind.CELL_PROBABILITIES)}, choose another network or dataset in figures."
        )
    histograms = metrics.probability_histograms(predictions.outputs.output, predictions.target > 0).sum(0)
    thresholds, false_positive_rate, true_positive_rate = metrics.roc(histograms)
    areas = metrics.histogram_auc(histograms)
    grid = np.linspace(0, 1, len(thresholds))
    mean = np.mean([np.interp(grid, *r) for r in zip(false_positive_rate, true_positive_rate, strict=True)], 0)
    layers = [*map(str, range(1, len(areas) + 1)), "mean"]
    n_points = len(thresholds)
    return pd.DataFrame(
        {
            "layer": np.repeat(layers, n_points),
            "threshold": np.append(np.tile(thresholds, len(areas)), np.full(n_points, np.nan)),
            "false_positive_rate": np.append(false_positive_rate, grid),
            "true_positive_rate": np.append(true_positive_rate, mean),
            "auc": np.repeat(np.append(areas, metrics.mean_defined(areas)), n_points),
        }
    )
