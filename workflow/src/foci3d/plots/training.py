"""Training curves of the networks."""

from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from foci3d.plots import style
from foci3d.plots.style import COLORS

N_COLUMNS = 3
LOSSES = {"train_loss": "training", "validation_loss": "validation"}


def curves(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw losses and validation error of every network against the optimiser steps.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By name of the network, a table with columns step, train_loss, validation_loss and validation_score, which is an
        error.

    Returns
    -------
    Figure
        One block per network: losses above, validation error below. The point marks the lowest error, whose weights are
        saved.
    """
    n_rows = -(-len(tables) // N_COLUMNS)
    figure = style.new_figure(style.FULL_WIDTH_MM, 60 * n_rows)
    blocks = figure.subfigures(n_rows, N_COLUMNS, squeeze=False).flat
    for block, (network, table) in zip(blocks, tables.items(), strict=False):
        loss, score = block.subplots(2, sharex=True)
        losses = table.set_index("step")[[*LOSSES]].rename(columns=LOSSES)
        sns.lineplot(losses, palette=[COLORS["grey"], COLORS["blue"]], dashes=False, ax=loss)
        sns.lineplot(table, x="step", y="validation_score", color=COLORS["blue"], ax=score)
        best = table.nsmallest(1, "validation_score")
        score.plot(best["step"], best["validation_score"], "o", color=COLORS["vermilion"])
        loss.set(title=network, ylabel="loss")
        score.set(xlabel="optimiser step", ylabel="validation error", ylim=(0, None))
    return figure
