"""Shapes of cells other than Perlin noise."""

import numpy as np
import pytest
import torch

from foci3d.config.datasets import DatasetConfig, SceneConfig
from foci3d.errors import InputError
from foci3d.simulation.scene import draw_stacks
from foci3d.simulation.shapes import SHAPES, draw_fields

LAYER = {
    "octaves": 1,
    "persistence": (0.5, 0.5),
    "lattice_cells": (2.0, 4.0),
    "threshold": (0.5, 0.5),
    "intensity_cv": (0.1, 0.9),
    "background_cv": (0.1, 0.9),
    "tumour_to_background": (2.0, 20.0),
    "gain": (0.3, 2.0),
}
RADII_PX = {"ellipses": (2.0, 6.0), "filaments": (1.0, 2.5)}
N_PIXELS = 51


def scene(shape: str, **keys: object) -> SceneConfig:
    return SceneConfig.model_validate({"shape": shape, **LAYER, "cell_radius_px": RADII_PX[shape], **keys})


def fields(config: SceneConfig, seeds: range, n_layers: int = 2, n_pixels: int = N_PIXELS) -> torch.Tensor:
    return draw_fields([np.random.default_rng(seed) for seed in seeds], n_layers, config, n_pixels)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("coverage", [0.1, 0.3])
def test_cells_cover_the_share_that_is_asked_for(shape: str, coverage: float) -> None:
    drawn = fields(scene(shape, coverage=(coverage, coverage)), range(100))
    assert drawn.shape == (100, 2, N_PIXELS, N_PIXELS)
    assert (drawn > 0).float().mean() == pytest.approx(coverage, rel=0.2)
    assert drawn.abs().max() <= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_a_field_belongs_to_its_generator_alone(shape: str) -> None:
    config = scene(shape)
    assert torch.equal(fields(config, range(3))[2], fields(config, range(2, 3))[0])
    assert not torch.equal(fields(config, range(1))[0, 0], fields(config, range(1))[0, 1])


@pytest.mark.parametrize("shape", SHAPES)
def test_larger_radii_give_wider_cells(shape: str) -> None:
    narrow, wide = (fields(scene(shape, cell_radius_px=(radius, radius)), range(40)) > 0 for radius in (1.5, 6.0))
    edges = [(part[..., 1:] != part[..., :-1]).float().sum() / part.float().sum() for part in (narrow, wide)]
    assert edges[0] > 2 * edges[1]


def test_a_nearly_full_layer_is_drawn() -> None:
    assert (fields(scene("ellipses", coverage=(0.99, 0.99)), range(2)) > 0).float().mean() > 0.8


def test_stacks_have_the_shape_of_their_scene() -> None:
    dataset = DatasetConfig(n_layers=2, sensors="AB", depth_range_um=(0, 1000), minimum_gap_um=200)
    generators = [np.random.default_rng(seed) for seed in range(3)]
    stacks = draw_stacks(generators, scene("ellipses"), dataset, N_PIXELS, margin_pixels=5)
    assert stacks.masks.shape == (3, 2, N_PIXELS + 10, N_PIXELS + 10)
    cells = stacks.masks > 0
    assert stacks.layers[cells].mean() > 2 * stacks.layers[~cells].mean()


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(InputError, match="shape cubes is not registered; expected one of ellipses, filaments"):
        SHAPES["cubes"]
