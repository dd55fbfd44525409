"""Single cells of fields of any size, and the choice between them and layers."""

from collections.abc import Callable
from dataclasses import asdict

import imager
import numpy as np
import pytest
from descriptions import small_description

from foci3d.classical.points import PointLocalizer
from foci3d.config.models import Config
from foci3d.errors import InputError
from foci3d.learning.model import Model
from foci3d.optics.acceptance import AngularAcceptance
from foci3d.optics.points import PointOptics
from foci3d.optics.psf import PSF
from foci3d.reconstruction.cells import localize_field
from foci3d.reconstruction.specimen import reconstruct_specimen

N_PIXELS = 25
CELLS = np.array([[8.2, 16.4, 300.0, 1.0], [16.7, 6.1, 620.0, 1.2]])


@pytest.fixture(scope="module")
def psf(make_psf: Callable[..., PSF]) -> PSF:
    each = make_psf(N_PIXELS, (0.0, 1000.0), 20.0)
    acceptance = AngularAcceptance(fwhm_deg=36.0, standoff_um=20.0, linear_fill_factor=1.0)
    return PSF(each.kernels, each.depths_um, each.pixel_pitch_um, asdict(acceptance))


@pytest.fixture
def model(config: Config, psf: PSF) -> Model:
    description = small_description(config).model_copy(update={"n_pixels": N_PIXELS})
    return Model(description.build_network().eval(), description, psf=psf)


def readings(cells: np.ndarray, n_pixels: int, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    monkeypatch.setattr(imager, "N_PIXELS", n_pixels)
    return imager.read_out(imager.point_light(cells), imager.Imperfections(), np.random.default_rng(0))


def test_cells_of_a_large_field_by_tiles(psf: PSF, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells in the middle of tiles, between them, and at the edge of the field."""
    cells = np.array([[5.0, 3.2, 250.0, 1.0], [20.4, 19.7, 500.0, 1.0], [41.5, 12.2, 700.0, 1.0]])
    localizer = PointLocalizer(PointOptics(psf, [0.0, 1000.0]))
    fit = localize_field(readings(cells, 43, monkeypatch)[..., :N_PIXELS], localizer)
    expected = cells[cells[:, 2].argsort(), :3]
    assert len(fit.points) == 3
    assert (abs(fit.points[:, :3] - expected) < [0.2, 0.2, 12]).all()


def test_cells_are_foci_with_standard_errors(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    measurement = readings(CELLS, N_PIXELS, monkeypatch)
    result = reconstruct_specimen(measurement, model, "cells")
    np.testing.assert_allclose(result.foci["y_um"], (CELLS[:, 0] + 0.5) * 55, atol=5)
    np.testing.assert_allclose(result.foci["x_um"], (CELLS[:, 1] + 0.5) * 55, atol=5)
    np.testing.assert_allclose(result.foci["depth_um"], CELLS[:, 2], atol=10)
    np.testing.assert_allclose(result.foci["brightness"][1] / result.foci["brightness"][0], 1.2, atol=0.05)
    assert (result.foci[["y_sd_um", "x_sd_um", "depth_sd_um", "brightness_sd"]] > 0).all(axis=None)
    assert [tuple(place) for place in np.argwhere(result.mask)] == [(1, 8, 16), (3, 17, 6)]
    assert result.foci["layer"].tolist() == [2, 4]
    assert str(result.quality).startswith("2 single cells on an even background leave")


def test_auto_takes_what_explains_the_measurement(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    measurement = readings(CELLS, N_PIXELS, monkeypatch)
    found = reconstruct_specimen(measurement, model, "auto")
    assert found.foci.equals(reconstruct_specimen(measurement, model, "cells").foci)
    monkeypatch.setattr("foci3d.reconstruction.specimen.MAX_MISFIT", 0.1)
    layers = reconstruct_specimen(measurement, model, "auto")
    assert (found.specimen, layers.specimen) == ("cells", "layers")
    expected = reconstruct_specimen(measurement, model, "layers")
    np.testing.assert_array_equal(layers.probability, expected.probability)
    assert "does not explain it (up to 0.1 x), so these are layers" in str(layers.quality)


def test_cells_need_the_psf(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    measurement = readings(CELLS, N_PIXELS, monkeypatch)
    without = Model(model.network, model.description)
    with pytest.raises(InputError, match="cells need the point-spread function"):
        reconstruct_specimen(measurement, without, "cells")
