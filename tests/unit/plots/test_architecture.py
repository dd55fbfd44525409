"""Fig. S3: the blocks that are drawn are those of the network."""

from torch import nn

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

    def forward(self, image):
        stem = self.norm(self.stem(image))
        left = self.left(stem)
        right = self.right(self.body(stem))
        return self.head(left + nn.functional.interpolate(right, left.shape[-2:]))


def test_blocks_are_those_of_the_network():
    network = Branched()
    blocks = architecture.find_blocks(network, (1, 10, 10))
    assert [(block.name, block.shape, block.n_layers, block.sources) for block in blocks] == [
        ("stem", (4, 10, 10), 1, ()),
        ("left", (2, 10, 10), 1, (0,)),
        ("body", (8, 5, 5), 2, (0,)),
        ("right", (2, 5, 5), 1, (2,)),
        ("head", (3, 10, 10), 1, (1, 3)),
    ]
    assert blocks[0].n_parameters == 4 * 9 + 4 + 2 * 4
    assert sum(block.n_parameters for block in blocks) == sum(values.numel() for values in network.parameters())


def test_last_block_has_the_output_of_a_network_that_ends_without_layers():
    network = nn.Sequential(nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 15**2, 4), nn.Softmax(1))
    blocks = architecture.find_blocks(network, (2, 17, 17))
    assert [block.name for block in blocks] == ["0", "3"]
    assert blocks[-1].shape == (4,)
    assert sum(block.n_parameters for block in blocks) == sum(values.numel() for values in network.parameters())


def test_blocks_are_drawn_with_their_shapes_and_joined():
    axes = style.new_figure(100, 50).subplots()
    architecture.draw_blocks(axes, architecture.find_blocks(Branched(), (1, 10, 10)))
    texts = [text.get_text() for text in axes.texts if text.get_text()]
    assert sum(text.startswith("body\n\n8\n× 5 × 5\n2 layers") for text in texts) == 1
    buses = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert len(buses) == 2
