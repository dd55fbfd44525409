"""A reconstruction is the prediction of the model, with the depths and the geometry of its imager."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from descriptions import put_depths_inside

from foci3d.errors import InputError
from foci3d.io.samples import Outputs
from foci3d.learning.model import Model
from foci3d.learning.model_file import ModelDescription
from foci3d.optics.psf import PSF
from foci3d.reconstruction.foci import find_foci
from foci3d.reconstruction.tiles import Tiling, predict_field, spread
from foci3d.reconstruction.volume import reconstruct

MEASUREMENT = np.random.default_rng(0).uniform(1, 2, (2, 13, 13))


@pytest.fixture
def model(model_description: ModelDescription) -> Model:
    torch.manual_seed(0)
    return Model(model_description.build_network().eval(), model_description)


def test_reconstruction_of_the_models_imager(model: Model) -> None:
    result = reconstruct(MEASUREMENT, model)
    np.testing.assert_array_equal(result.probability, model.predict(MEASUREMENT[None]).output[0])
    assert result.depths_um == (100.0, 400.0, 800.0)
    assert result.depth_sds_um == (20.0, 30.0, 9.0)
    assert result.occupancy == (1.0, 1.0, 1.0)
    assert (result.threshold, result.pixel_pitch_um, result.sensor_depths_um) == (0.5, 55.0, (0.0, 1000.0))


def test_depths_are_those_that_the_model_predicts(model_description: ModelDescription) -> None:
    description = model_description.model_copy(update={"task": "stacks", "out_channels": 12})
    model = Model(description.build_network().eval(), description, depth_scale=1.5)
    result, outputs = reconstruct(MEASUREMENT, model), model.predict(MEASUREMENT[None])
    assert result.depths_um == tuple(outputs.predicted_depths_um[0].tolist())
    assert result.depth_sds_um == tuple(outputs.predicted_depth_sds_um[0].tolist())
    assert result.occupancy == tuple(outputs.occupancy[0].tolist())
    assert result.sensor_depths_um == (0.0, 1500.0)


def test_a_larger_field_is_reconstructed_by_tiles(model_description: ModelDescription) -> None:
    """Away from the ramps between tiles, the field is that of one tile; foci have the depth where they are."""
    description = model_description.model_copy(update={"task": "stacks", "out_channels": 12})
    model = Model(put_depths_inside(description.build_network().eval()), description)
    field = np.random.default_rng(1).uniform(1, 2, (2, 40, 29))
    field[:, [*range(4), *range(-4, 0)]] *= 0.5  # light falls off towards the edges
    tiling = Tiling(13, 2, 2)
    output, values = predict_field(model.predict, field, tiling)
    fields = Outputs(output=output, **{name: spread(each, (40, 29), tiling) for name, each in values.items()})
    threshold = float(np.quantile(fields.output.max(0), 0.7))
    result = reconstruct(field, model, threshold=threshold)
    np.testing.assert_array_equal(result.probability, fields.output)
    corner = model.predict(field[None, :, :13, :13])
    np.testing.assert_allclose(result.probability[:, :8, :8], corner.output[0, :, :8, :8], atol=1e-6)
    maps = (fields.predicted_depths_um, fields.predicted_depth_sds_um)
    assert result.foci.equals(find_foci(fields.output, threshold, *maps, 55.0))
    assert result.foci.depth_um.nunique() > 1
    for depth_um, depths_um in zip(result.depths_um, maps[0], strict=True):
        assert depths_um.min() < depth_um < depths_um.max()


@pytest.mark.parametrize("light", [0.0, -0.1])
def test_a_dark_part_of_a_field_holds_no_cells(model: Model, light: float) -> None:
    field = np.full((2, 40, 13), light)
    field[:, :13] = MEASUREMENT
    probability = reconstruct(field, model).probability
    assert probability[:, :8].min() > 0
    assert not probability[:, -8:].any()


def test_a_field_smaller_than_that_of_the_model(model: Model) -> None:
    with pytest.raises(InputError, match="found 12 x 40 pixels; expected at least 13 x 13"):
        reconstruct(np.ones((2, 12, 40)), model)


@pytest.mark.parametrize("quantile", [0.3, 0.7])
def test_foci_are_those_above_the_threshold(model: Model, make_psf: Callable[..., PSF], quantile: float) -> None:
    threshold = float(np.quantile(model.predict(MEASUREMENT[None]).output, quantile))
    finer = replace(model, psf=make_psf(13, pixel_pitch_um=10.0))
    result = reconstruct(MEASUREMENT, finer, threshold=threshold)
    expected = find_foci(result.probability, threshold, result.depths_um, result.depth_sds_um, 10.0)
    assert result.foci.equals(expected)
    assert result.foci.area_um2.sum() == pytest.approx((result.probability > threshold).sum() * 100)


def test_a_model_for_another_task(model: Model) -> None:
    description = model.description.model_copy(update={"task": "depth_map"})
    with pytest.raises(
        InputError, match="task is depth_map; expected masks or stacks or counted_stacks, choose another model"
    ):
        reconstruct(MEASUREMENT, Model(model.network, description))


@pytest.mark.parametrize("field", [(13, 13), (30, 20)])
def test_a_number_of_layers_that_is_known(model_description: ModelDescription, field: tuple[int, int]) -> None:
    torch.manual_seed(0)
    description = model_description.model_copy(update={"task": "counted_stacks", "out_channels": 22})
    model = Model(put_depths_inside(description.build_network().eval()), description)
    measurement = np.random.default_rng(0).uniform(1, 2, (2, *field))
    for n_layers in (1, 2, 3):
        result = reconstruct(measurement, model, n_layers=n_layers)
        assert result.probability.shape == (n_layers, *field)
        assert np.isfinite(result.depths_um).all()
        assert f"number of layers: {n_layers} (100 %)" in result.quality.note
    known = model.predict_all(MEASUREMENT[None])
    np.testing.assert_array_equal(reconstruct(MEASUREMENT, model, n_layers=2).probability, known.output[0, 1:3])
    with pytest.raises(InputError, match="n_layers is 4; expected 0 to 3, as of the model small"):
        reconstruct(measurement, model, n_layers=4)


def test_a_number_of_layers_that_a_model_does_not_have(model: Model) -> None:
    assert len(reconstruct(MEASUREMENT, model, n_layers=3).depths_um) == 3
    with pytest.raises(InputError, match="n_layers is 2; expected 3, or a model for any number of layers"):
        reconstruct(MEASUREMENT, model, n_layers=2)
