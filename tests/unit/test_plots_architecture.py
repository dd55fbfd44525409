"""Fig. S3: the blocks that are drawn are those of the network."""

import pytest
import torch
from torch import nn

from foci3d import nets
from foci3d.plots import architecture, style


class Branched(nn.Module):
    """Two branches from one stem that are added, then a head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.body = nn.Sequential(nn.Conv2d(4, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
        self.left = nn.Conv2d(4, 2, 1)
        self.right = nn.Conv2d(8, 2, 1)
        self.head = nn.Conv2d(2, 3, 1)

    def forward(self, picture):
        stem = self.norm(self.stem(picture))
        left = self.left(stem)
        right = self.right(self.body(stem))
        return self.head(left + nn.functional.interpolate(right, left.shape[-2:]))


def test_blocks_are_those_of_the_network():
    network = Branched()
    blocks = architecture.find_blocks(network, 1, 10)
    assert [(block.name, block.shape, block.layers, block.sources) for block in blocks] == [
        ("stem", (4, 10, 10), 1, ()),
        ("left", (2, 10, 10), 1, (0,)),
        ("body", (8, 5, 5), 2, (0,)),
        ("right", (2, 5, 5), 1, (2,)),
        ("head", (3, 10, 10), 1, (1, 3)),
    ]
    assert blocks[0].parameters == 4 * 9 + 4 + 2 * 4
    assert sum(block.parameters for block in blocks) == sum(values.numel() for values in network.parameters())


@pytest.mark.parametrize(
    "description",
    [
        {"name": "cnn_fc", "widths": [2, 4], "kernel": 3, "hidden": 8},
        {"name": "conv_deconv", "widths": [2, 4, 4], "strides": [1, 2, 2], "kernel": 3},
    ],
)
def test_blocks_hold_all_parameters_and_end_with_the_output(description):
    network = nets.build(description, 2, 4, 17)
    blocks = architecture.find_blocks(network, 2, 17)
    assert sum(block.parameters for block in blocks) == nets.count_parameters(network)
    assert blocks[-1].shape == tuple(network(torch.zeros(1, 2, 17, 17)).shape[1:])


def test_blocks_are_drawn_with_their_shapes_and_joined():
    figure = style.new_figure(100, 50)
    axes = figure.subplots()
    architecture.draw_blocks(axes, architecture.find_blocks(Branched(), 1, 10))
    texts = [text.get_text() for text in axes.texts if text.get_text()]
    assert "8\n× 5\n× 5" in texts
    assert sum(text.startswith("body\n2 layers") for text in texts) == 1
    buses = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert len(buses) == 2
