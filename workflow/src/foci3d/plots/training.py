"""How the networks learned."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from foci3d.plots import style
from foci3d.plots.style import COLOURS

COLUMNS = 3


def curves(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw loss and validation score of every network against the optimiser's steps.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By name of the network a table with columns step, train_loss, validation_loss and validation_score, which is an
        error: the less the better.

    Returns
    -------
    Figure
        A block a network: losses above, score below. A point marks the best score, whose weights are kept.
    """
    rows = -(-len(tables) // COLUMNS)
    figure = style.new_figure(style.FULL_WIDTH_MM, 60 * rows)
    blocks = figure.subfigures(rows, COLUMNS, squeeze=False).flat
    for block, (net, table) in zip(blocks, tables.items(), strict=False):
        loss, score = block.subplots(2, sharex=True)
        loss.plot(table["step"], table["train_loss"], color=COLOURS["grey"], label="training")
        loss.plot(table["step"], table["validation_loss"], color=COLOURS["blue"], label="validation")
        score.plot(table["step"], table["validation_score"], color=COLOURS["blue"])
        best = table.nsmallest(1, "validation_score")
        score.plot(best["step"], best["validation_score"], "o", color=COLOURS["vermilion"])
        loss.set(title=net, ylabel="loss")
        score.set(xlabel="optimiser step", ylabel="validation error", ylim=(0, None))
        loss.legend()
    return figure
