"""A kernel stack of the user's own, from a measurement or a ray tracer, brought to the project's conventions.

It is a plain HDF5 file:

==================  ===============================================================================================
``kernels``         array (depth, y, x): square, of an odd number of pixels, centred, without negative values
``depths_um``       array (depth): increasing, from the imager's surface [um]
``pixel_pitch_um``  attribute of the file, the distance of the kernels' pixels: that of the imager [um]
==================  ===============================================================================================

Sums are free, each kernel is normalised to 1. Kernels smaller than needed are continued with zeros, larger ones cut.
"""

import logging
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import torch

from foci3d.errors import InputError
from foci3d.optics import Psf

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]


def read_kernel_stack(path: str | Path, pixels: int, pixel_pitch_um: float) -> Psf:
    """Read a user's kernel stack.

    Parameters
    ----------
    path : str or Path
        The HDF5 file.
    pixels : int
        Pixels of the imager's pictures; the kernels get twice as many less one.
    pixel_pitch_um : float
        Pitch of the imager [um].

    Returns
    -------
    Psf
        Kernels at the user's depths.

    Raises
    ------
    InputError
        If the file cannot be read, lacks an array or the pitch, or breaks a convention.
    """
    kernels, depths_um, pitch_um = _read(path)
    if pitch_um is None or not np.isclose(pitch_um, pixel_pitch_um, rtol=1e-3):
        raise InputError(
            f"{path}: attribute pixel_pitch_um is {pitch_um}; expected the imager's {pixel_pitch_um:g} um, "
            "resample the kernels or correct imager.pixel_pitch_um."
        )
    _check_depths(path, depths_um, kernels, pixel_pitch_um)
    _check_kernels(path, kernels)
    sums = kernels.sum((1, 2), keepdims=True)
    log.info("%d kernels with sums from %.4g to %.4g, normalised to 1", len(kernels), sums.min(), sums.max())
    sized = _resize(kernels / sums, 2 * pixels - 1)
    sized /= sized.sum((1, 2), keepdims=True)
    return Psf(torch.from_numpy(sized).float(), torch.from_numpy(depths_um).float(), pixel_pitch_um, {"source": "file"})


def resample(path: str | Path, psf: Psf, depths_um: torch.Tensor) -> Psf:
    """Kernels of a stack read from `path`, interpolated linearly at depths [um] that it must cover."""
    low, high = psf.depths_um[0], psf.depths_um[-1]
    if depths_um[0] < low or depths_um[-1] > high:
        raise InputError(
            f"{path}: its kernels cover {low:g} to {high:g} um; expected psf.depth_range_um, {depths_um[0]:g} to "
            f"{depths_um[-1]:g} um, add kernels or narrow the range."
        )
    return Psf(psf.at(depths_um), depths_um.float(), psf.pixel_pitch_um, psf.attributes)


def _read(path: str | Path) -> tuple[Floats, Floats, Any]:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path}: not a readable HDF5 file; expected arrays kernels and depths_um.") from error
    with file:
        if not {"kernels", "depths_um"} <= set(file):
            raise InputError(
                f"{path}: found {sorted(file)}; expected arrays kernels (depth, y, x) and depths_um (depth)."
            )
        kernels, depths_um = (np.asarray(file[name], dtype=np.float64) for name in ("kernels", "depths_um"))
        return kernels, depths_um, file.attrs.get("pixel_pitch_um")


def _check_depths(path: str | Path, depths_um: Floats, kernels: Floats, pixel_pitch_um: float) -> None:
    if kernels.ndim != 3 or depths_um.shape != kernels.shape[:1] or len(kernels) < 2:
        raise InputError(
            f"{path}: kernels have the shape {kernels.shape} and depths_um {depths_um.shape}; expected (depth, y, x) "
            "and (depth), with two depths or more."
        )
    if not (np.isfinite(depths_um).all() and depths_um[0] >= 0 and (np.diff(depths_um) > 0).all()):
        raise InputError(f"{path}: depths_um are no increasing numbers of at least 0; sort the kernels, nearest first.")
    if depths_um[-1] < pixel_pitch_um:
        raise InputError(
            f"{path}: the largest of depths_um is {depths_um[-1]:g}, less than a pixel, as if in millimetres; "
            "expected micrometres."
        )


def _check_kernels(path: str | Path, kernels: Floats) -> None:
    size = kernels.shape[-1]
    if kernels.shape[1] != size or size % 2 == 0:
        raise InputError(
            f"{path}: kernels have {kernels.shape[1]} x {size} pixels; expected squares of an odd number, "
            "so that there is a middle pixel."
        )
    if not np.isfinite(kernels).all() or kernels.min() < 0:
        wrong = np.flatnonzero(~(np.isfinite(kernels) & (kernels >= 0)).all((1, 2)))[0]
        raise InputError(
            f"{path}: kernel {wrong} has values that are negative or no numbers; expected light, set noise to 0."
        )
    if kernels.sum((1, 2)).min() <= 0:
        raise InputError(f"{path}: kernel {kernels.sum((1, 2)).argmin()} is empty; expected light in each.")
    shifts = _centres_of_light(kernels) - size // 2
    if np.abs(shifts).max() > 0.5:
        wrong = np.abs(shifts).max(1).argmax()
        raise InputError(
            f"{path}: the centre of light of kernel {wrong} is {shifts[wrong, 0]:+.1f} pixels in y and "
            f"{shifts[wrong, 1]:+.1f} in x from its middle; expected less than half a pixel, shift the kernels."
        )


def _centres_of_light(kernels: Floats) -> Floats:
    """Centres y, x `(D, 2)` [pixels]."""
    grid = np.arange(kernels.shape[-1])
    sums = kernels.sum((1, 2))
    return np.stack([kernels.sum(2) @ grid / sums, kernels.sum(1) @ grid / sums], 1)


def _resize(kernels: Floats, size: int) -> Floats:
    """Cut kernels or continue them with zeros, about their middle."""
    missing = (size - kernels.shape[-1]) // 2
    if missing < 0:
        return kernels[:, -missing:missing, -missing:missing]
    return np.pad(kernels, ((0, 0), (missing, missing), (missing, missing)))
