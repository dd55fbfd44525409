"""Fig. 7: real microscope images as layers, and the cells that a network detects in them."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from foci3d.evaluation.metrics import CELL_THRESHOLD
from foci3d.plots import style
from foci3d.plots.stacks import Stack

OUTLINES = {"target": style.COLORS["orange"], "output": style.MARK}


def slides(stack: Stack, scores: pd.DataFrame, summary: pd.DataFrame, pixel_pitch_um: float) -> Figure:
    """Show real layers, the measurements, the outputs, and outlines of output and target on the layers (Fig. 7).

    Parameters
    ----------
    stack : Stack
        The stack of real images.
    scores : DataFrame
        Rows of the table of samples for this stack, one per layer, with columns error and dice (0 to 1).
    summary : DataFrame
        Summary of the whole test: columns metric, layer, value, ci_low, ci_high and n; the score of all stacks is
        the title.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].

    Returns
    -------
    Figure
        One row per layer; the measurements stand beside all rows.
    """
    n_layers, n_sensors = len(stack.layers), len(stack.measurements)
    figure = style.new_figure(150, 40 * n_layers)
    columns = figure.subfigures(1, 4, squeeze=False)[0]
    layers, outputs, overlays = (columns[index].subplots(n_layers) for index in (0, 2, 3))
    measurements = columns[1].subplots(n_sensors, squeeze=False)[:, 0]
    for name, axes, image in zip("AB", measurements, stack.measurements, strict=False):
        style.show_image(axes, image, pixel_pitch_um, bar_um=1000 if axes is measurements[-1] else None)
        axes.set_title(f"sensor {name}")
    for index, (error, dice) in enumerate(scores[["error", "dice"]].to_numpy()):
        style.show_image(layers[index], stack.layers[index], pixel_pitch_um)
        style.show_image(outputs[index], stack.output[index], pixel_pitch_um, cmap=style.CELLS, limits=(0, 1))
        style.show_image(overlays[index], stack.layers[index], pixel_pitch_um, cmap="gray")
        masks = stack.target[index] > 0, stack.output[index] > CELL_THRESHOLD
        for mask, color in zip(masks, OUTLINES.values(), strict=True):
            style.show_outline(overlays[index], mask, pixel_pitch_um, color)
        layers[index].set_title(style.layer_title(index + 1, stack.depths_um[index]))
        outputs[index].set_title(f"output {index + 1}")
        overlays[index].set_title(f"error {100 * error:.1f} %, Dice {dice:.2f}")
    lines = [Line2D([], [], color=color, label=label) for label, color in OUTLINES.items()]
    figure.legend(handles=lines, loc="outside lower right", ncols=2)
    figure.suptitle(_score_of_all(summary), fontsize=8)
    return figure


def _score_of_all(summary: pd.DataFrame) -> str:
    """Error and Dice coefficient of all stacks with their 95 % intervals."""
    n_stacks = summary.loc[(summary["metric"] == "error") & (summary["layer"] == "1"), "n"].item()
    means = summary[summary["layer"] == "all"].set_index("metric")[["value", "ci_low", "ci_high"]]
    error, low, high = 100 * means.loc["error"].to_numpy(float)
    dice, dice_low, dice_high = means.loc["dice"].to_numpy(float)
    empty_error = 100 * means["value"].to_dict()["empty_error"]
    return (
        f"all {n_stacks} stacks: error {error:.1f} % ({low:.1f} to {high:.1f}), Dice {dice:.2f} ({dice_low:.2f} to "
        f"{dice_high:.2f}); no cells anywhere: error {empty_error:.1f} %"
    )
