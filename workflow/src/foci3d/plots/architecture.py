"""Fig. S3: the blocks of a network, traced from its forward pass, between its inputs and outputs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from foci3d.plots import style
from foci3d.plots.stacks import Stack
from foci3d.plots.style import COLORS

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
"""Modules that count as layers of a network."""

BOX_WIDTH, BOX_HEIGHT, ROW_HEIGHT = 0.82, 2.0, 3.0
"""Sizes in units of the horizontal distance of neighbouring boxes."""

NAMES = {
    r"encoder\.conv1": "first\nconvolution",
    r"encoder\.layer(\d)": r"ResNet\nstage \1",
    r"projections\.(\d)": r"projection\nof stage {}",
    "cnn": "CNN",
}
"""Names of the blocks of networks of the library, by patterns of the paths of their modules."""


@dataclass(frozen=True)
class Block:
    """A module that the forward pass of a network calls.

    Parameters
    ----------
    name : str
        Path of the module.
    shape : tuple of int
        Shape of its output without the sample axis: channels, y, x; or features.
    n_layers : int
        Convolutional and fully connected layers inside.
    n_parameters : int
        Trained parameters inside.
    sources : tuple of int
        Indices of the blocks whose outputs are its inputs; empty for the inputs of the network.
    """

    name: str
    shape: tuple[int, ...]
    n_layers: int
    n_parameters: int
    sources: tuple[int, ...]


def find_blocks(network: nn.Module, shape: Sequence[int]) -> list[Block]:
    """Trace the blocks of a network in the order of their calls, with an input of zeros.

    A module without layers, as a normalization or an activation, belongs to the block before it. Where outputs are
    combined outside of modules, as in a sum, the next block takes those of all blocks that have no consumer yet.

    Parameters
    ----------
    network : torch.nn.Module
        Network; left in evaluation mode.
    shape : sequence of int
        Shape `(S, Y, X)` of the measurements of one sample.

    Returns
    -------
    list of Block
        The outermost called modules that hold layers.
    """
    measurements = torch.zeros(1, *shape)
    producers: dict[int, tuple[int, ...]] = {id(measurements): ()}
    blocks: list[Block] = []
    for name, module, arguments, output in _outermost_calls(network, measurements):
        consumed = {source for block in blocks for source in block.sources}
        free = tuple(index for index in range(len(blocks)) if index not in consumed)
        sources = tuple(index for tensor in arguments for index in producers.get(id(tensor), free))
        n_layers = sum(isinstance(part, LAYERS) for part in module.modules())
        n_parameters = sum(values.numel() for values in module.parameters())
        output_shape = tuple(output.shape[1:])
        if n_layers:
            producers[id(output)] = (len(blocks),)
            blocks.append(Block(name, output_shape, n_layers, n_parameters, sources))
            continue
        producers[id(output)] = sources
        if sources:
            before = blocks[sources[0]]
            blocks[sources[0]] = replace(before, shape=output_shape, n_parameters=before.n_parameters + n_parameters)
    return blocks


def _outermost_calls(network: nn.Module, inputs: Tensor) -> list[tuple[str, nn.Module, tuple[Tensor, ...], Tensor]]:
    """Path, module, arguments and output of the modules that the forward pass of the network itself calls."""
    names = {module: name for name, module in network.named_modules() if name}
    calls: list[tuple[str, nn.Module, tuple[Tensor, ...], Tensor]] = []

    def record(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        calls.append((names[module], module, arguments, output))

    hooks = [module.register_forward_hook(record) for module in names]
    with torch.inference_mode():
        network.eval()(inputs)
    for hook in hooks:
        hook.remove()
    called = {name for name, *_ in calls}
    return [call for call in calls if not any(call[0].startswith(f"{name}.") for name in called)]


def architecture(network: nn.Module, name: str, stack: Stack, pixel_pitch_um: float) -> Figure:
    """Draw the blocks of a network between the measurements and the output of a test sample (Fig. S3).

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    name : str
        Its name, for the title.
    stack : Stack
        The test sample.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].

    Returns
    -------
    Figure
        Each box holds the channels and the size of its output.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 92)
    n_rows = max(len(stack.measurements), len(stack.output))
    grid = figure.add_gridspec(n_rows, 3, width_ratios=(1, 8, 1))
    middle = figure.add_subplot(grid[:, 1])
    n_parameters = sum(values.numel() for values in network.parameters())
    middle.set_title(f"{name}, {n_parameters / 1e6:.1f} million parameters: size of each output, layers, parameters")
    *blocks, last = find_blocks(network, stack.measurements.shape)
    draw_blocks(middle, [*blocks, replace(last, shape=stack.output.shape)])  # which is cut to the measurement
    for index, (sensor, image) in enumerate(zip("AB", stack.measurements, strict=False)):
        axes = figure.add_subplot(grid[index, 0])
        style.show_image(axes, image, pixel_pitch_um)
        axes.set_title(f"sensor {sensor}")
    for index, image in enumerate(stack.output):
        axes = figure.add_subplot(grid[index, 2])
        style.show_image(axes, image, pixel_pitch_um, cmap=style.CELLS, limits=(0, 1))
        axes.set_title(f"layer {index + 1}")
    return figure


def draw_blocks(axes: Axes, blocks: Sequence[Block]) -> None:
    """Draw boxes in a row, those that only feed one common block in a row below, and arrows between them."""
    joins, feeders = _find_joins(blocks)
    upper = [index for index in range(len(blocks)) if index not in feeders]
    places: list[tuple[float, float]] = []
    for index, block in enumerate(blocks):
        if index in feeders:
            places.append((places[block.sources[0]][0], -ROW_HEIGHT))
        else:
            places.append((upper.index(index), -ROW_HEIGHT if index in joins else 0))
    lowest = min(y for _, y in places)
    for index, (block, place) in enumerate(zip(blocks, places, strict=True)):
        _draw_block(axes, block, place)
        for source in block.sources:
            if index in joins:
                _draw_bus(axes, places[source], place, lowest - BOX_HEIGHT / 2 - 0.4)
            else:
                _draw_arrow(axes, places[source], place)
    left, right = -0.6, len(upper) - 0.4
    _draw_line(axes, (left, places[0][1]), (places[0][0] - BOX_WIDTH / 2, places[0][1]))
    _draw_line(axes, (places[-1][0] + BOX_WIDTH / 2, places[-1][1]), (right, places[-1][1]))
    axes.set(xlim=(left, right), ylim=(lowest - BOX_HEIGHT / 2 - 0.6, BOX_HEIGHT / 2 + 0.1))
    axes.set_axis_off()


def _find_joins(blocks: Sequence[Block]) -> tuple[set[int], set[int]]:
    """Indices of the blocks with several inputs that no other block takes, and of the blocks that feed them."""
    consumers: dict[int, set[int]] = {index: set() for index in range(len(blocks))}
    for index, block in enumerate(blocks):
        for source in block.sources:
            consumers[source].add(index)
    joins = {
        index
        for index, block in enumerate(blocks)
        if len(block.sources) > 1 and all(consumers[source] == {index} for source in block.sources)
    }
    return joins, {source for index in joins for source in blocks[index].sources}


def _draw_block(axes: Axes, block: Block, place: tuple[float, float]) -> None:
    x, y = place
    corner = (x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2)
    axes.add_patch(Rectangle(corner, BOX_WIDTH, BOX_HEIGHT, facecolor="#DCEAF5", edgecolor=COLORS["blue"]))
    size = "\n× ".join([str(block.shape[0]), *([" × ".join(map(str, block.shape[1:]))] if block.shape[1:] else [])])
    plural = "s" if block.n_layers > 1 else ""
    label = f"{describe_name(block.name)}\n\n{size}\n{block.n_layers} layer{plural}\n{block.n_parameters / 1000:,.0f} k"
    axes.text(x, y, label, ha="center", va="center", fontsize=7)


def describe_name(path: str) -> str:
    r"""What a block is, or the path of its module if that is none of the library.

    >>> describe_name("encoder.layer2")
    'ResNet\nstage 2'
    """
    for pattern, name in NAMES.items():
        if match := re.fullmatch(pattern, path):
            numbers = [int(group) + 1 for group in match.groups()]  # a list of modules counts from 0
            return match.expand(name.format(*numbers))
    return path


def _draw_arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Arrow to the next box in the row, or down to the box below, or around the boxes between."""
    (x0, y0), (x1, y1) = start, end
    if y1 < y0:
        _draw_line(axes, (x0, y0 - BOX_HEIGHT / 2), (x1, y1 + BOX_HEIGHT / 2))
    else:
        bend = 0.3 if x1 - x0 > 1 else 0.0
        _draw_line(axes, (x0 + BOX_WIDTH / 2, y0), (x1 - BOX_WIDTH / 2, y1), bend)


def _draw_bus(axes: Axes, start: tuple[float, float], end: tuple[float, float], y_bus: float) -> None:
    """Line down from a box, along below the row, and up into the box where several outputs meet."""
    tail = start[1] - BOX_HEIGHT / 2
    axes.plot([start[0], start[0], end[0]], [tail, y_bus, y_bus], color=COLORS["black"], linewidth=0.8)
    _draw_line(axes, (end[0], y_bus), (end[0], end[1] - BOX_HEIGHT / 2))


def _draw_line(axes: Axes, tail: tuple[float, float], head: tuple[float, float], bend: float = 0.0) -> None:
    arrow = {
        "arrowstyle": "-|>",
        "color": COLORS["black"],
        "connectionstyle": f"arc3,rad={bend}",
        "linewidth": 0.8,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    axes.annotate("", head, tail, arrowprops=arrow)
