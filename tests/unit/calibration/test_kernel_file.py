"""A user's own stack of kernels: conventions that are applied, and errors that say which one is violated."""

import h5py
import numpy as np
import pytest
import torch

from foci3d.calibration.kernel_file import read_kernel_stack, resample
from foci3d.errors import InputError
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.psf import depth_grid

N_PIXELS, PITCH_UM = 20, 55.0
ACCEPTANCE = AngularAcceptance(36.0, 20.0, 1.0)
DEPTHS_UM = torch.tensor([0.0, 300.0, 1000.0])


def kernels(n_pixels=N_PIXELS):
    return acceptance_kernels(ACCEPTANCE, DEPTHS_UM, n_pixels, PITCH_UM).numpy()


@pytest.fixture
def write(tmp_path):
    """Write a stack of kernels, with changes; returns its path."""

    def write_stack(values=None, depths_um=DEPTHS_UM, pitch_um=PITCH_UM, name="kernels"):
        with h5py.File(tmp_path / "mine.h5", "w") as file:
            file[name] = kernels() if values is None else values
            file["depths_um"] = np.asarray(depths_um, float)
            if pitch_um is not None:
                file.attrs["pixel_pitch_um"] = pitch_um
        return tmp_path / "mine.h5"

    return write_stack


def read(path):
    return resample(path, read_kernel_stack(path, N_PIXELS, PITCH_UM), torch.arange(50.0, 801.0, 50.0))


def test_kernels_are_normalized_and_interpolated(write):
    psf = read(write(1000 * kernels()))
    expected = torch.from_numpy(kernels()).float()
    torch.testing.assert_close(psf.kernels[5], expected[1])  # 300 um
    torch.testing.assert_close(psf.kernels[2], (expected[0] + expected[1]) / 2)  # 150 um
    assert psf.attributes == {"source": "file"}


def test_files_of_the_project_are_accepted(write, tmp_path):
    psf = read(write())
    psf.save(tmp_path / "again.h5")
    torch.testing.assert_close(read(tmp_path / "again.h5").kernels, psf.kernels)


@pytest.mark.parametrize("n_pixels", [15, 25])
def test_kernels_are_padded_or_cropped_to_the_imager(write, n_pixels):
    psf = read(write(kernels(n_pixels)))
    assert psf.kernels.shape == (16, 39, 39)
    torch.testing.assert_close(psf.kernels[5], torch.from_numpy(kernels()[1]).float(), rtol=1e-3, atol=1e-5)


def changed(index, value):
    """Kernels of one central pixel each, with a change."""
    values = np.zeros((3, 39, 39))
    values[:, 19, 19] = 1
    values[index] = value
    return values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": changed((1, 3, 3), -0.1)}, "kernel 1 has negative values"),
        ({"values": changed((2, 3, 3), np.nan)}, "kernel 2 has negative values or values that are not numbers"),
        ({"values": changed(1, 0)}, "kernel 1 is empty"),
        ({"values": np.roll(changed((0, 0, 0), 0), 2, axis=1)}, "of kernel 0 is +2.0 pixels in y and +0.0 in x"),
        ({"values": np.ones((3, 38, 38))}, "38 x 38 pixels; expected squares with an odd number"),
        ({"values": np.ones((3, 39, 37))}, "39 x 37 pixels; expected squares"),
        ({"values": np.ones((39, 39))}, "kernels have the shape (39, 39)"),
        ({"depths_um": [0, 300]}, "depths_um (2,); expected (depth, y, x) and (depth)"),
        ({"depths_um": [0, 1000, 300]}, "depths_um must be non-negative and strictly increasing"),
        ({"depths_um": [0, 0.3, 1.0]}, "so the unit may be millimetres"),
        ({"depths_um": [0, 300, 700]}, "the kernels cover 0 to 700 um; expected psf.depth_range_um, 50 to 800 um"),
        ({"pitch_um": 40.0}, "pixel_pitch_um is 40.0; expected 55 um"),
        ({"pitch_um": None}, "pixel_pitch_um is None; expected 55 um"),
        ({"name": "psf"}, "there is no array kernels; found depths_um, psf"),
        ({"values": changed((0, 0, 0), 0) + 0.001 * changed((0, 0, 0), 0).max()}, "the border of kernel"),
    ],
)
def test_violated_convention_is_named(write, changes, message):
    with pytest.raises(InputError) as raised:
        read(write(**changes))
    assert "mine.h5: " in str(raised.value)
    assert message in str(raised.value)


def test_kernels_may_end_where_the_range_does(write):
    """Neither 33.4 nor 1000.1 is exact in float32."""
    path = write(depths_um=[33.4, 300.0, 1000.1])
    psf = resample(path, read_kernel_stack(path, N_PIXELS, PITCH_UM), depth_grid((33.4, 1000.1), 100.0))
    assert psf.depths_um[[0, -1]].tolist() == [torch.tensor(33.4).item(), torch.tensor(1000.1).item()]


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.h5").write_text("not HDF5")
    for name in ("text.h5", "absent.h5"):
        with pytest.raises(InputError, match=f"{name}: not a readable HDF5 file"):
            read(tmp_path / name)
