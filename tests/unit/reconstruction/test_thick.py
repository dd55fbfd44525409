"""Thick specimens as volumes of light."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from descriptions import small_description

from foci3d.config.models import Config
from foci3d.errors import InputError
from foci3d.learning.model import Model
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.reconstruction.specimen import reconstruct_specimen
from foci3d.reconstruction.thick import DEPTH_SD_UM, EDGE_SD_UM, body_table

N_PIXELS = 25
DEPTHS_UM = np.arange(5.0, 1000.0, 10.0)


@pytest.fixture(scope="module")
def psf(make_psf: Callable[..., PSF]) -> PSF:
    return make_psf(N_PIXELS, (0.0, 1000.0), 20.0)


@pytest.fixture
def model(config: Config, psf: PSF) -> Model:
    description = small_description(config).model_copy(update={"n_pixels": N_PIXELS})
    return Model(description.build_network().eval(), description, psf=psf)


def two_bodies(margin: int = 0) -> np.ndarray:
    """Light of a thin and a thick body, in opposite corners."""
    light = np.zeros((len(DEPTHS_UM), N_PIXELS + 2 * margin, N_PIXELS + 2 * margin), np.float32)
    for low, high, first in ((200, 300, 3), (600, 800, 16)):
        extent = slice(margin + first, margin + first + 5)
        light[(low < DEPTHS_UM) & (high > DEPTHS_UM), extent, extent] = 1
    return light


def measured(light: np.ndarray, psf: PSF) -> np.ndarray:
    forward = ForwardModel(psf, N_PIXELS, 2, 1000.0)
    return forward(torch.from_numpy(light)[None], torch.from_numpy(DEPTHS_UM)[None].float())[0].numpy()


def test_bodies_of_a_volume(model: Model, psf: PSF) -> None:
    result = reconstruct_specimen(measured(two_bodies(), psf), model, "volume")
    bodies = result.foci
    assert result.specimen == "volume"
    assert len(bodies) == 2
    np.testing.assert_allclose(bodies["depth_um"], [250, 700], atol=DEPTH_SD_UM)
    np.testing.assert_allclose(bodies[["y_um", "x_um"]].T, [[5.5 * 55, 18.5 * 55]] * 2, atol=30)
    np.testing.assert_allclose(bodies["first_depth_um"], [225, 625], atol=EDGE_SD_UM)
    np.testing.assert_allclose(bodies["last_depth_um"], [275, 775], atol=EDGE_SD_UM)
    assert "volume of 20 planes" in result.quality.note


def test_light_from_beyond_the_edges_is_no_body_within(model: Model, psf: PSF) -> None:
    light = two_bodies(margin=8)
    light[70, -13:-8, :4] = 2.0
    result = reconstruct_specimen(measured(light, psf), model, "volume")
    assert not result.mask[:, -8:, 3:8].any()
    assert result.mask.any(0)[16:21, 16:21].mean() > 0.9


def test_an_empty_specimen_and_a_missing_psf(config: Config, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foci3d.confidence.quality.shape_without_cells", lambda *_: 1.0)
    empty = reconstruct_specimen(np.full((2, N_PIXELS, N_PIXELS), 0.3, np.float32), model, "volume")
    assert len(empty.foci) == 0
    assert "no cells" in empty.quality.note
    description = small_description(config).model_copy(update={"n_pixels": N_PIXELS})
    without = Model(description.build_network().eval(), description)
    with pytest.raises(InputError, match="specimen: volume needs the point-spread function"):
        reconstruct_specimen(np.ones((2, N_PIXELS, N_PIXELS)), without, "volume")


def test_bodies_touch_at_corners_and_are_sorted() -> None:
    probability = np.zeros((3, 6, 6), np.float32)
    probability[0, 0, 0] = probability[1, 1, 1] = 0.9
    probability[2, 4:, 4:] = 0.8
    table = body_table(probability, 0.5, np.array([25.0, 75.0, 125.0]), 10.0)
    assert table["volume_um3"].tolist() == [2 * 100 * 50, 4 * 100 * 50]
    assert table["depth_um"].tolist() == [50, 125]
    assert table["first_depth_um"].tolist() == [25, 125]
