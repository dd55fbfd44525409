"""The public API: `import foci3d`, then from shards and a model to a reconstruction, as in a notebook."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import foci3d
from foci3d.config.models import Config
from foci3d.io import shards
from foci3d.io.samples import Samples
from foci3d.learning.model_file import ModelDescription, save_model

STUB = Path(foci3d.__file__).with_suffix(".pyi")
N_PIXELS = 13


def test_every_public_name_is_listed_and_documented() -> None:
    listed = [alias.name for node in ast.parse(STUB.read_text()).body for alias in node.names]
    assert sorted(listed) == foci3d.__all__ == dir(foci3d)
    for name in listed:
        value = getattr(foci3d, name)
        assert inspect.getdoc(value), name
        if inspect.isclass(value):
            methods = [method for key, method in vars(value).items() if callable(method) and not key.startswith("_")]
            assert all(inspect.getdoc(method) for method in methods), name
        if inspect.isfunction(value):
            assert all(parameter in inspect.getdoc(value) for parameter in inspect.signature(value).parameters), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        _ = foci3d.colour


def test_from_simulated_measurements_to_foci(
    tmp_path: Path, make_psf: Callable[..., foci3d.PSF], model_description: ModelDescription
) -> None:
    forward = foci3d.ForwardModel(make_psf(N_PIXELS), N_PIXELS, n_sensors=2, sensor_separation_um=1000.0)
    layers, depths_um = torch.rand(4, 3, N_PIXELS, N_PIXELS), torch.tensor([[100.0, 400.0, 800.0]]).expand(4, -1)
    measurements = forward(layers, depths_um)
    assert forward.adjoint(measurements, depths_um).shape == layers.shape

    samples = Samples(layers=layers, masks=layers > 0.5, measurements=measurements, depths_um=depths_um)
    shards.write(tmp_path / "shard.h5", [samples.map(torch.Tensor.numpy)], 4, {})
    dataset = foci3d.open_dataset(tmp_path / "shard.h5")
    assert torch.equal(dataset[2].measurements, measurements[2])

    save_model(
        model_description.build_network(), model_description, tmp_path / "small.json", tmp_path / "small.safetensors"
    )
    model = foci3d.load_model(tmp_path / "small.json")
    expected = model.predict(measurements.numpy()).output[2]
    threshold = float(np.median(expected))
    result = foci3d.reconstruct(dataset[2].measurements.numpy(), model, threshold=threshold)
    np.testing.assert_allclose(result.probability, expected, rtol=1e-4)
    foci = foci3d.find_foci(result.probability, threshold, [100.0, 400.0, 800.0], [20.0, 30.0, 9.0], 55.0)
    assert result.foci.equals(foci)
    assert len(foci) > 0
    assert foci3d.metrics.CELL_THRESHOLD == 0.5


def test_imager_of_the_configuration(config: Config, psf: foci3d.PSF) -> None:
    imager = foci3d.Imager.from_config(psf, config.imager, n_sensors=2)
    assert imager.forward_model(torch.ones(1, 1, 51, 51), torch.tensor([[300.0]])).shape == (1, 2, 51, 51)


def test_a_reconstruction_does_not_import_what_it_does_not_use() -> None:
    """Each of these takes a third of a second or more, or belongs to an extra."""
    code = """
import sys
import torch
import foci3d.plots.reconstruction
from foci3d.learning.model_file import read_description
from foci3d.learning.released import released_model
with torch.device("meta"):  # as for the check of the weights
    read_description(released_model("two_sensors")).build_network()
unused = ("lightning", "monai", "noise", "scipy.stats", "seaborn", "sklearn", "sympy")
print([name for name in unused if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
