"""Fig. S3: a network as it is built, between its inputs and outputs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from foci3d.plots import style
from foci3d.plots.stacks import Stack
from foci3d.plots.style import COLOURS

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
"""Modules that count as layers of a network."""

BOX_WIDTH, BOX_HEIGHT, LABEL_TOP, ROW_HEIGHT = 0.5, 1.0, 1.3, 2.4
"""Sizes in the drawing, in distances of neighbouring boxes across; labels end `LABEL_TOP` above a box's centre."""


@dataclass(frozen=True)
class Block:
    """A part of a network that its forward pass calls as one.

    Parameters
    ----------
    name : str
        Path of the module.
    shape : tuple of int
        Output without the sample axis: channels, y, x; or values.
    layers : int
        Convolutions and fully connected layers inside.
    parameters : int
        Trained values inside.
    sources : tuple of int
        Numbers of the blocks whose outputs come in; none where the pictures do.
    """

    name: str
    shape: tuple[int, ...]
    layers: int
    parameters: int
    sources: tuple[int, ...]


def find_blocks(network: nn.Module, inputs: int, pixels: int) -> list[Block]:
    """Run a network on an empty picture and note its blocks in the order of their calls.

    A module that is no layer, as a norm or rectifier, belongs to the block before it. Where outputs are combined
    outside of modules, as in a sum, the next block takes those of all blocks that nothing has taken yet.

    Parameters
    ----------
    network : torch.nn.Module
        Maps pictures `(N, inputs, pixels, pixels)`; is left in evaluation mode.
    inputs, pixels : int
        Channels and size of the pictures.

    Returns
    -------
    list of Block
        The outermost modules that are called and hold layers.
    """
    picture = torch.zeros(1, inputs, pixels, pixels)
    makers: dict[int, tuple[int, ...]] = {id(picture): ()}
    blocks: list[Block] = []
    for name, module, arguments, output in _outermost_calls(network, picture):
        taken = {source for block in blocks for source in block.sources}
        free = tuple(number for number in range(len(blocks)) if number not in taken)
        sources = tuple(number for tensor in arguments for number in makers.get(id(tensor), free))
        layers = sum(isinstance(part, LAYERS) for part in module.modules())
        parameters = sum(values.numel() for values in module.parameters())
        shape = tuple(output.shape[1:])
        if layers:
            makers[id(output)] = (len(blocks),)
            blocks.append(Block(name, shape, layers, parameters, sources))
            continue
        makers[id(output)] = sources
        if sources:
            before = blocks[sources[0]]
            blocks[sources[0]] = replace(before, shape=shape, parameters=before.parameters + parameters)
    return blocks


def _outermost_calls(network: nn.Module, picture: Tensor) -> list[tuple[str, nn.Module, tuple[Tensor, ...], Tensor]]:
    """Path, module, arguments and output of the modules that the forward pass of the network itself calls."""
    names = {module: name for name, module in network.named_modules() if name}
    calls: list[tuple[str, nn.Module, tuple[Tensor, ...], Tensor]] = []

    def note(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        calls.append((names[module], module, arguments, output))

    hooks = [module.register_forward_hook(note) for module in names]
    with torch.inference_mode():
        network.eval()(picture)
    for hook in hooks:
        hook.remove()
    called = {name for name, *_ in calls}
    return [call for call in calls if not any(call[0].startswith(f"{name}.") for name in called)]


def architecture(blocks: Sequence[Block], title: str, stack: Stack, pixel_pitch_um: float) -> Figure:
    """Draw the blocks of a network between the pictures and the output of a test sample (Fig. S3).

    Parameters
    ----------
    blocks : sequence of Block
        From `find_blocks`.
    title : str
        Written above the blocks.
    stack : Stack
        The test sample.
    pixel_pitch_um : float
        Distance of neighbouring pixels [um].

    Returns
    -------
    Figure
        In each box the channels and the size of its output.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 92)
    count = max(len(stack.sensors), len(stack.output))
    grid = figure.add_gridspec(count, 3, width_ratios=(1, 8, 1))
    middle = figure.add_subplot(grid[:, 1])
    middle.set_title(title)
    draw_blocks(middle, blocks)
    for index, (name, picture) in enumerate(zip("AB", stack.sensors, strict=False)):
        axes = figure.add_subplot(grid[index, 0])
        style.show_picture(axes, picture, pixel_pitch_um)
        axes.set_title(f"sensor {name}")
    for index, picture in enumerate(stack.output):
        axes = figure.add_subplot(grid[index, 2])
        style.show_picture(axes, picture, pixel_pitch_um, cmap=style.CELLS, limits=(0, 1))
        axes.set_title(f"layer {index + 1}")
    return figure


def draw_blocks(axes: Axes, blocks: Sequence[Block]) -> None:
    """Draw boxes in a row, those that only feed one common block in a row below, and arrows between them."""
    joins, feeders = _find_joins(blocks)
    upper = [number for number in range(len(blocks)) if number not in feeders]
    places: list[tuple[float, float]] = []
    for number, block in enumerate(blocks):
        if number in feeders:
            places.append((places[block.sources[0]][0], -ROW_HEIGHT))
        else:
            places.append((upper.index(number), -ROW_HEIGHT if number in joins else 0))
    lowest = min(y for _, y in places)
    for number, (block, place) in enumerate(zip(blocks, places, strict=True)):
        _draw_block(axes, block, place)
        for source in block.sources:
            if number in joins:
                _draw_bus(axes, places[source], place, lowest - 0.85)
            else:
                _draw_arrow(axes, places[source], place)
    left, right = -0.6, len(upper) - 0.4
    _draw_line(axes, (left, places[0][1]), (places[0][0] - BOX_WIDTH / 2, places[0][1]))
    _draw_line(axes, (places[-1][0] + BOX_WIDTH / 2, places[-1][1]), (right, places[-1][1]))
    axes.set(xlim=(left, right), ylim=(lowest - 1, LABEL_TOP))
    axes.set_axis_off()


def _find_joins(blocks: Sequence[Block]) -> tuple[set[int], set[int]]:
    """Numbers of the blocks that take several outputs which nothing else takes, and of the blocks that feed them."""
    takers: dict[int, set[int]] = {number: set() for number in range(len(blocks))}
    for number, block in enumerate(blocks):
        for source in block.sources:
            takers[source].add(number)
    joins = {
        number
        for number, block in enumerate(blocks)
        if len(block.sources) > 1 and all(takers[source] == {number} for source in block.sources)
    }
    return joins, {source for number in joins for source in blocks[number].sources}


def _draw_block(axes: Axes, block: Block, place: tuple[float, float]) -> None:
    x, y = place
    corner = (x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2)
    axes.add_patch(Rectangle(corner, BOX_WIDTH, BOX_HEIGHT, facecolor="#DCEAF5", edgecolor=COLOURS["blue"]))
    size = "\n× ".join(map(str, block.shape))
    axes.text(x, y, size, ha="center", va="center", fontsize=7)
    plural = "s" if block.layers > 1 else ""
    label = f"{block.name}\n{block.layers} layer{plural}\n{block.parameters / 1000:,.0f} k weights"
    axes.text(x, y + BOX_HEIGHT / 2 + 0.05, label, ha="center", va="bottom", fontsize=7)


def _draw_arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Arrow to the next box in the row, or down to the label of the box below, or around the boxes between."""
    (x0, y0), (x1, y1) = start, end
    if y1 < y0:
        _draw_line(axes, (x0, y0 - BOX_HEIGHT / 2), (x1, y1 + LABEL_TOP))
    else:
        bend = 0.3 if x1 - x0 > 1 else 0.0
        _draw_line(axes, (x0 + BOX_WIDTH / 2, y0), (x1 - BOX_WIDTH / 2, y1), bend)


def _draw_bus(axes: Axes, start: tuple[float, float], end: tuple[float, float], y_bus: float) -> None:
    """Line down from a box, along below the row, and up into the box where several outputs meet."""
    tail = start[1] - BOX_HEIGHT / 2
    axes.plot([start[0], start[0], end[0]], [tail, y_bus, y_bus], color=COLOURS["black"], linewidth=0.8)
    _draw_line(axes, (end[0], y_bus), (end[0], end[1] - BOX_HEIGHT / 2))


def _draw_line(axes: Axes, tail: tuple[float, float], head: tuple[float, float], bend: float = 0.0) -> None:
    arrow = {
        "arrowstyle": "-|>",
        "color": COLOURS["black"],
        "connectionstyle": f"arc3,rad={bend}",
        "linewidth": 0.8,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    axes.annotate("", head, tail, arrowprops=arrow)
