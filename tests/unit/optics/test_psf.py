"""The point-spread function and its file."""

import numpy as np
import pytest
import torch

from foci3d.errors import InputError
from foci3d.io import hdf5
from foci3d.optics.psf import PSF, PSF_FORMAT, depth_grid


@pytest.fixture(scope="module")
def psf(make_psf):
    return make_psf(8, (0.0, 900.0), 100.0)


def test_depth_grid_covers_the_range_evenly():
    assert depth_grid([0, 100], 30).tolist() == [0, 25, 50, 75, 100]
    assert depth_grid([50, 150], 50).tolist() == [50, 100, 150]


def test_psf_file_has_the_whole_psf(tmp_path, psf):
    described = PSF(psf.kernels, psf.depths_um, 55.0, {"source": "test", "fwhm_deg": 36.0})
    described.save(tmp_path / "psf.h5")
    loaded = PSF.load(tmp_path / "psf.h5")
    assert torch.equal(loaded.kernels, psf.kernels)
    assert torch.equal(loaded.depths_um, psf.depths_um)
    assert (loaded.pixel_pitch_um, loaded.attributes) == (55.0, {"source": "test", "fwhm_deg": 36.0})
    assert loaded.digest == psf.digest


def test_psf_file_of_another_byte_order(tmp_path, psf):
    arrays = {"kernels": psf.kernels.numpy().astype(">f4"), "depths_um": psf.depths_um.numpy().astype(">f8")}
    labelled = {name: hdf5.LabelledArray(values, "depth y x"[: 5 * values.ndim]) for name, values in arrays.items()}
    hdf5.write(tmp_path / "psf.h5", PSF_FORMAT, labelled, {"pixel_pitch_um": 55.0})
    assert PSF.load(tmp_path / "psf.h5").digest == psf.digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depths_um": np.float32([3, 2])}, "depths_um increase"),
        ({"kernels": np.full((2, 5, 5), np.nan)}, "must be finite"),
        ({"kernels": np.ones((2, 4, 4))}, "with odd y and x"),
        ({"pixel_pitch_um": 0.0}, "a positive number"),
    ],
)
def test_psf_files_without_a_psf_are_refused(tmp_path, changes, message):
    values = {"kernels": np.ones((2, 5, 5)), "depths_um": np.float32([1, 2]), "pixel_pitch_um": 55.0, **changes}
    pitch_um = values.pop("pixel_pitch_um")
    arrays = {name: hdf5.LabelledArray(value, "depth") for name, value in values.items()}
    hdf5.write(tmp_path / "psf.h5", PSF_FORMAT, arrays, {"pixel_pitch_um": pitch_um})
    with pytest.raises(InputError, match=message):
        PSF.load(tmp_path / "psf.h5")


@pytest.mark.parametrize("part", ["kernels", "depths_um", "pixel_pitch_um"])
def test_digest_changes_with_any_part(psf, part):
    parts = {name: getattr(psf, name) for name in ("kernels", "depths_um", "pixel_pitch_um")}
    assert PSF(**parts | {part: parts[part] * 1.0000002}).digest != psf.digest


def test_interpolation_is_linear_and_exact_at_the_nodes(psf):
    kernels = psf.interpolate(torch.tensor([[0.0, 300.0], [340.0, 900.0]]))
    assert torch.equal(kernels[0, 1], psf.kernels[3])
    assert torch.equal(kernels[1, 1], psf.kernels[9])
    torch.testing.assert_close(kernels[1, 0], 0.6 * psf.kernels[3] + 0.4 * psf.kernels[4])


@pytest.mark.parametrize("depth_um", [-0.1, 900.5, float("nan")])
def test_depths_outside_the_range_are_refused(psf, depth_um):
    with pytest.raises(InputError, match="expected 0 to 900 um"):
        psf.interpolate(torch.tensor([10.0, depth_um]))
