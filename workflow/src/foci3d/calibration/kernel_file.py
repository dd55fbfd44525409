"""Import of a user's own stack of kernels, from a measurement or a ray tracer.

The stack is an HDF5 file with

==================  ===============================================================================================
``kernels``         array (depth, y, x): square, with an odd number of pixels, centred, non-negative
``depths_um``       array (depth): increasing, from the surface of the imager [um]
``pixel_pitch_um``  attribute of the file: distance between the pixels of the kernels, that of the imager [um]
==================  ===============================================================================================

An attribute ``sha256`` of an array, the digest of its bytes, is verified if there is one.
Each kernel is normalized to sum 1. Kernels that are too small are padded with zeros, larger ones are cropped.
"""

import logging
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import torch

from foci3d.errors import InputError
from foci3d.io.foreign_hdf5 import read_array
from foci3d.optics.psf import PSF

log = logging.getLogger(__name__)

MAX_OFFSET_SHARE = 0.02
"""Share of a kernel's light that an offset at the level of its border may hold."""

Floats = npt.NDArray[np.float64]


def read_kernel_stack(path: str | Path, n_pixels: int, pixel_pitch_um: float) -> PSF:
    """Read a user's stack of kernels.

    Parameters
    ----------
    path : str or Path
        The HDF5 file.
    n_pixels : int
        Pixels of a measurement in y and in x; the kernels get ``2 * n_pixels - 1``.
    pixel_pitch_um : float
        Pitch of the imager [um].

    Returns
    -------
    PSF
        Kernels at the depths of the file.

    Raises
    ------
    InputError
        If the file cannot be read, lacks an array or the pitch, or violates a convention.
    """
    kernels, depths_um, pitch_um = _read(path)
    if not isinstance(pitch_um, int | float | np.number) or not np.isclose(pitch_um, pixel_pitch_um, rtol=1e-3):
        raise InputError(
            f"{path}: attribute pixel_pitch_um is {pitch_um}; expected {pixel_pitch_um:g} um as imager.pixel_pitch_um. "
            "Resample the kernels or correct the attribute."
        )
    _check_depths(path, depths_um, kernels, pixel_pitch_um)
    _check_kernels(path, kernels)
    sums = kernels.sum((1, 2), keepdims=True)
    log.info("%d kernels with sums from %.4g to %.4g, normalized to 1", len(kernels), sums.min(), sums.max())
    resized = _resize(kernels / sums, 2 * n_pixels - 1)
    resized /= resized.sum((1, 2), keepdims=True)
    return PSF(
        torch.from_numpy(resized).float(), torch.from_numpy(depths_um).float(), pixel_pitch_um, {"source": "file"}
    )


def resample(path: str | Path, psf: PSF, depths_um: torch.Tensor) -> PSF:
    """Kernels of the stack read from `path`, interpolated linearly at depths that it must cover [um]."""
    depths_um = depths_um.to(psf.depths_um)  # in its precision, the ends of a range are those of the kernels
    low, high = psf.depths_um[0], psf.depths_um[-1]
    if depths_um[0] < low or depths_um[-1] > high:
        raise InputError(
            f"{path}: the kernels cover {low:g} to {high:g} um; expected psf.depth_range_um, {depths_um[0]:g} to "
            f"{depths_um[-1]:g} um. Add kernels or narrow the range."
        )
    return PSF(psf.interpolate(depths_um), depths_um, psf.pixel_pitch_um, psf.attributes)


def _read(path: str | Path) -> tuple[Floats, Floats, Any]:
    try:
        arrays = {name: read_array(path, name)[0].astype(np.float64) for name in ("kernels", "depths_um")}
        with h5py.File(path, "r") as file:
            return arrays["kernels"], arrays["depths_um"], file.attrs.get("pixel_pitch_um")
    except InputError:
        raise
    except Exception as error:  # what a damaged file lets h5py raise is without limits
        raise InputError(
            f"{path}: not a readable HDF5 file ({error}); expected the arrays kernels and depths_um. Export it again."
        ) from error


def _check_depths(path: str | Path, depths_um: Floats, kernels: Floats, pixel_pitch_um: float) -> None:
    if kernels.ndim != 3 or depths_um.shape != kernels.shape[:1] or len(kernels) < 2:
        raise InputError(
            f"{path}: kernels have the shape {kernels.shape} and depths_um {depths_um.shape}; expected (depth, y, x) "
            "and (depth), with at least two depths."
        )
    if not (np.isfinite(depths_um).all() and depths_um[0] >= 0 and (np.diff(depths_um) > 0).all()):
        raise InputError(f"{path}: depths_um must be non-negative and strictly increasing; sort the kernels by depth.")
    if depths_um[-1] < pixel_pitch_um:
        raise InputError(
            f"{path}: the largest depth is {depths_um[-1]:g}, less than one pixel pitch, so the unit may be "
            "millimetres; expected micrometres."
        )


def _check_kernels(path: str | Path, kernels: Floats) -> None:
    size = kernels.shape[-1]
    if kernels.shape[1] != size or size % 2 == 0:
        raise InputError(
            f"{path}: kernels have {kernels.shape[1]} x {size} pixels; expected squares with an odd number of pixels, "
            "so that there is a central pixel."
        )
    if not np.isfinite(kernels).all() or kernels.min() < 0:
        index = np.flatnonzero(~(np.isfinite(kernels) & (kernels >= 0)).all((1, 2)))[0]
        raise InputError(f"{path}: kernel {index} has negative values or values that are not numbers; set them to 0.")
    if kernels.sum((1, 2)).min() <= 0:
        raise InputError(
            f"{path}: kernel {kernels.sum((1, 2)).argmin()} is empty; expected a positive sum for each kernel."
        )
    _check_border(path, kernels)
    shifts = _centroids(kernels) - size // 2
    if np.abs(shifts).max() > 0.5:
        index = np.abs(shifts).max(1).argmax()
        raise InputError(
            f"{path}: the centroid of kernel {index} is {shifts[index, 0]:+.1f} pixels in y and "
            f"{shifts[index, 1]:+.1f} in x from its central pixel; expected at most half a pixel. Centre the kernels."
        )


def _check_border(path: str | Path, kernels: Floats) -> None:
    """Refuse kernels on an offset, which would scatter light over the whole field.

    The narrowest kernel has no light at its border, so what is there is taken for an offset under all of them.
    """
    border = np.ones(kernels.shape[1:], bool)
    border[1:-1, 1:-1] = False
    sums = kernels.sum((1, 2))
    shares = kernels[:, border].mean(1) * border.size / sums
    narrowest = shares.argmin()
    if shares[narrowest] > MAX_OFFSET_SHARE:
        raise InputError(
            f"{path}: the border of kernel {narrowest}, which has the least light there, is at "
            f"{kernels[narrowest][border].mean() / kernels[narrowest].max():.2g} of its peak; as an offset this is "
            f"{shares[narrowest]:.0%} of its light, expected at most {MAX_OFFSET_SHARE:.0%}. Subtract the background, "
            "or save wider kernels."
        )


def _centroids(kernels: Floats) -> Floats:
    """Centroids y, x of kernels, `(D, 2)` [pixels]."""
    grid = np.arange(kernels.shape[-1])
    sums = kernels.sum((1, 2))
    return np.stack([kernels.sum(2) @ grid / sums, kernels.sum(1) @ grid / sums], 1)


def _resize(kernels: Floats, size: int) -> Floats:
    """Crop kernels or pad them with zeros, around their central pixel."""
    missing = (size - kernels.shape[-1]) // 2
    if missing < 0:
        return kernels[:, -missing:missing, -missing:missing]
    return np.pad(kernels, ((0, 0), (missing, missing), (missing, missing)))
