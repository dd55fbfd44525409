import re

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from foci3d.errors import InputError
from foci3d.io import matlab

N_PIXELS = 51


@pytest.fixture
def stack2(config):
    return config.datasets["stack2"]


def write_mat(path, change=lambda variables: variables, n_samples=3):
    """A file as the authors' README describes it, in mm and in MATLAB's double precision."""
    rng = np.random.default_rng(0)
    depths_mm = np.array([0.11, 0.37, 0.6, 0.86]) + rng.uniform(0, 0.01, (n_samples, 4))
    masks = rng.random((n_samples, 4, N_PIXELS, N_PIXELS)) < 0.3
    variables = {
        "tumorImage_noPSF": rng.random((n_samples, 4, N_PIXELS, N_PIXELS)),
        "tumorImage_withPSF_A": rng.random((n_samples, N_PIXELS, N_PIXELS)),
        "tumorImage_withPSF_B": rng.random((n_samples, N_PIXELS, N_PIXELS)),
        "depth_map": masks * depths_mm[..., None, None],
        "zdist_PSF": depths_mm,
    }
    savemat(path, change(dict(variables)))
    return variables


def save_v73(path, variables):
    """Write what MATLAB writes as version 7.3: HDF5 with the axes in reverse, behind a header of 512 bytes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in variables.items():
            file.create_dataset(name, data=values.T).attrs["MATLAB_class"] = np.bytes_("double")
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    with path.open("r+b") as file:
        file.write(header)


@pytest.mark.parametrize("n_samples", [1, 3])
@pytest.mark.parametrize("version", ["5", "7.3"])
def test_both_versions_are_read(tmp_path, stack2, version, n_samples):
    mat = tmp_path / "authors.mat"
    variables = write_mat(mat, n_samples=n_samples)
    if version == "7.3":
        save_v73(mat, variables)
    arrays = matlab.read_stacks(mat, stack2, N_PIXELS)
    np.testing.assert_allclose(arrays.layers, variables["tumorImage_noPSF"], rtol=1e-6)
    np.testing.assert_allclose(arrays.measurements[:, 0], variables["tumorImage_withPSF_A"], rtol=1e-6)
    np.testing.assert_allclose(arrays.measurements[:, 1], variables["tumorImage_withPSF_B"], rtol=1e-6)
    np.testing.assert_array_equal(arrays.masks, variables["depth_map"] > 0)
    np.testing.assert_allclose(arrays.depths_um, 1000 * variables["zdist_PSF"], rtol=1e-6)
    assert arrays.index.tolist() == list(range(n_samples))


def test_micrometres_and_one_sensor_are_accepted(tmp_path, config):
    mat = tmp_path / "authors.mat"

    def in_micrometres(variables):
        del variables["tumorImage_withPSF_B"]
        return variables | {name: 1000 * variables[name] for name in ("zdist_PSF", "depth_map")}

    variables = write_mat(mat, in_micrometres)
    arrays = matlab.read_stacks(mat, config.datasets["stack1"], N_PIXELS)
    np.testing.assert_allclose(arrays.depths_um, 1000 * variables["zdist_PSF"], rtol=1e-6)
    assert arrays.measurements.shape == (3, 1, N_PIXELS, N_PIXELS)


def without(name):
    return lambda variables: {key: value for key, value in variables.items() if key != name}


def changed(name, function):
    return lambda variables: variables | {name: function(variables[name])}


def with_nan(values):
    values = values.copy()
    values[1].flat[5] = np.nan
    return values


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("depth_map"), "there is no variable depth_map; expected tumorImage_noPSF, .*zdist_PSF"),
        (
            changed("tumorImage_noPSF", lambda v: v[:, :3]),
            "the shape of tumorImage_noPSF is 3 x 3 x 51 x 51; expected 3 x",
        ),
        (changed("tumorImage_noPSF", lambda v: v.transpose(2, 3, 1, 0)), "expected 51 x 4 x 51 x 51 .samples first"),
        (changed("zdist_PSF", lambda v: v[:2]), "the shape of zdist_PSF is 2 x 4; expected 3 x 4"),
        (changed("tumorImage_noPSF", lambda v: v[:0]), "tumorImage_noPSF is empty"),
        (changed("tumorImage_withPSF_B", with_nan), "tumorImage_withPSF_B has a value that is not finite in sample 2"),
        (changed("zdist_PSF", lambda v: v[:, ::-1]), "the layers of sample 1 are not in order"),
        (
            changed("zdist_PSF", lambda v: 20 * v),
            "zdist_PSF goes from 2.3.* to 17.*; expected depths from 0 to 1000 um, or from 0",
        ),
        (changed("depth_map", lambda v: v / 2), "depth_map of sample . holds other depths than zdist_PSF"),
    ],
)
def test_what_does_not_fit_is_explained(tmp_path, stack2, change, message):
    mat = tmp_path / "authors.mat"
    write_mat(mat, change)
    with pytest.raises(InputError) as raised:
        matlab.read_stacks(mat, stack2, N_PIXELS)
    assert re.search(rf"authors.mat: .*{message}", str(raised.value))


@pytest.mark.parametrize(
    "content", [b"", b"no MATLAB file at all, but text" * 20, b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + b"x" * 99]
)
def test_other_files_are_refused(tmp_path, stack2, content):
    mat = tmp_path / "authors.mat"
    mat.write_bytes(content)
    with pytest.raises(InputError, match=r"authors.mat: not a readable MATLAB file"):
        matlab.read_stacks(mat, stack2, N_PIXELS)
