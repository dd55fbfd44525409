"""Configuration of the figures of the paper."""

from pydantic import Field

from foci3d.config.fields import Section, Text


class FigureConfig(Section):
    """A network and one of its test datasets."""

    network: Text = Field(description="one of networks")
    dataset: Text = Field(description="one of the test_datasets of the network")


class FiguresConfig(Section):
    """What each figure of the paper shows."""

    fig2: FigureConfig = Field(description="depth classes")
    fig3: FigureConfig = Field(description="a layer without blur")
    fig4: FigureConfig = Field(description="a stack and two sensors")
    fig5: FigureConfig = Field(description="a moving cluster")
    fig6: FigureConfig = Field(description="sensitivity and specificity for a moving cluster")
    fig7: FigureConfig = Field(description="real images")
    figS1: FigureConfig = Field(description="depth maps")  # noqa: N815
    figS2: FigureConfig = Field(description="a stack and one sensor")  # noqa: N815
    figS3: FigureConfig = Field(description="the ResNet and CNN, drawn")  # noqa: N815
    figS4: FigureConfig = Field(description="a stack by the ResNet and CNN")  # noqa: N815
