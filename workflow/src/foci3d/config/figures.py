"""Configuration of the figures of the paper."""

from foci3d.config.fields import Section, Text, key


class FigureConfig(Section):
    """A network and one of its test datasets."""

    network: Text = key("one of networks")
    dataset: Text = key("one of the test_datasets of the network")


class FiguresConfig(Section):
    """What each figure of the paper shows."""

    fig2: FigureConfig = key("depth classes")
    fig3: FigureConfig = key("a layer without blur")
    fig4: FigureConfig = key("a stack and two sensors")
    fig5: FigureConfig = key("a moving cluster")
    fig6: FigureConfig = key("sensitivity and specificity for a moving cluster")
    fig7: FigureConfig = key("real images")
    figS1: FigureConfig = key("depth maps")  # noqa: N815
    figS2: FigureConfig = key("a stack and one sensor")  # noqa: N815
    figS3: FigureConfig = key("the ResNet and CNN, drawn")  # noqa: N815
    figS4: FigureConfig = key("a stack by the ResNet and CNN")  # noqa: N815
