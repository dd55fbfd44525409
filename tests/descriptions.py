"""The description of a small model, for tests that need no training."""

import torch

from foci3d.config.architectures import Architecture, ConvDeconvConfig
from foci3d.config.models import Config
from foci3d.learning.model_file import Digests, LayerDepth, ModelDescription


def small_description(config: Config) -> ModelDescription:
    """A model of three layers and two sensors of 13 pixels; its weights are random."""
    return ModelDescription(
        network="small",
        dataset="stack",
        task="masks",
        architecture=ConvDeconvConfig(name="conv_deconv", channels=(4, 6), strides=(1, 2), kernel_size=3),
        in_channels=2,
        out_channels=3,
        n_pixels=13,
        n_layers=3,
        n_parameters=7,
        layer_depths_um=(
            LayerDepth(mean=100.0, sd=20.0),
            LayerDepth(mean=400.0, sd=30.0),
            LayerDepth(mean=800.0, sd=9.0),
        ),
        classes_um=(),
        pixel_pitch_um=55.0,
        sensor_separation_um=1000.0,
        normalization="mean",
        training=config.networks["stack2_cnn"].training,
        precision="float32",
        is_sensor_symmetric=False,
        best_step=1,
        validation_score=0.5,
        seed=0,
        versions={"foci3d": "0"},
        digests=Digests(code="a", data="b", psf="c", weights="abc"),
    )


def of_four_layers(description: ModelDescription, architecture: Architecture, n_pixels: int) -> ModelDescription:
    """The same model with another network, for four layers of n_pixels."""
    depths_um = (*description.layer_depths_um, LayerDepth(mean=900.0, sd=9.0))
    change = {"architecture": architecture, "n_pixels": n_pixels, "out_channels": 4, "n_layers": 4}
    return description.model_copy(update={**change, "layer_depths_um": depths_um})


def put_depths_inside(network: torch.nn.Module, n_layers: int = 3) -> torch.nn.Module:
    """A network for `stacks` or `counted_stacks`, with predicted depths about 500 um deeper: between the sensors.

    For counted stacks, all outputs but the masks are moved, which leaves the depths apart.
    """
    bias = [values for values in network.parameters() if values.ndim == 1 and len(values) in (4 * n_layers, 22)][-1]
    with torch.no_grad():
        bias[n_layers : 2 * n_layers if len(bias) == 4 * n_layers else None] += 0.5
    return network
