"""Fig. 7: real pictures as layers, and the cells that a network finds in them."""

import pandas as pd
from matplotlib.figure import Figure

from foci3d.measures import CELL_THRESHOLD
from foci3d.plots import style
from foci3d.plots.stacks import Stack


def slides(stack: Stack, scores: pd.DataFrame, pixel_pitch_um: float) -> Figure:
    """Show real layers, the sensors' pictures, the output, and the output on the layers (Fig. 7).

    Parameters
    ----------
    stack : Stack
        The stack of real pictures.
    scores : DataFrame
        Rows of the table of samples for this stack, a layer each, with columns error and dice (0 to 1).
    pixel_pitch_um : float
        Distance of neighbouring pixels [um].

    Returns
    -------
    Figure
        A row a layer; the pictures of the sensors stand beside all rows.
    """
    count = len(stack.layers)
    figure = style.new_figure(150, 40 * count)
    grid = figure.add_gridspec(count * len(stack.sensors), 4)
    for index, (name, picture) in enumerate(zip("AB", stack.sensors, strict=False)):
        axes = figure.add_subplot(grid[count * index : count * (index + 1), 1])
        style.show_picture(axes, picture, pixel_pitch_um, bar_um=1000 if index == len(stack.sensors) - 1 else None)
        axes.set_title(f"sensor {name}")
    for index, (error, dice) in enumerate(scores[["error", "dice"]].to_numpy()):
        rows = slice(len(stack.sensors) * index, len(stack.sensors) * (index + 1))
        raw, output, overlay = (figure.add_subplot(grid[rows, column]) for column in (0, 2, 3))
        style.show_picture(raw, stack.layers[index], pixel_pitch_um)
        style.show_picture(output, stack.output[index], pixel_pitch_um, cmap=style.CELLS, limits=(0, 1))
        style.show_picture(overlay, stack.layers[index], pixel_pitch_um, cmap="gray")
        for label, mask, colour in (
            ("truth", stack.target[index] > 0, style.COLOURS["orange"]),
            ("output", stack.output[index] > CELL_THRESHOLD, style.MARK),
        ):
            style.show_outline(overlay, mask, pixel_pitch_um, colour)
            overlay.plot([], color=colour, label=label)
        raw.set_title(style.layer_title(index + 1, stack.depths_um[index]))
        output.set_title("output" if index == 0 else "")
        overlay.set_title(f"error {100 * error:.1f} %, Dice {dice:.2f}")
    overlay.legend(loc="upper left", bbox_to_anchor=(0, 0), ncols=2)
    return figure
