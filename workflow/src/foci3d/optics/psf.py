"""The point-spread function (PSF) of the imager, as kernels by depth and as a file.

A kernel `(K, K)` with ``K = 2 * n_pixels - 1`` is the image of a point of the scene: centred, at the pixel pitch of the
imager, without negative values and with sum 1. So the light of a layer is the same at every depth, and is lost only at
the edges of the measurement.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from foci3d.errors import InputError
from foci3d.io import hdf5
from foci3d.optics.symmetries import Symmetry

PSF_FORMAT = hdf5.FileFormat("foci3d-psf", 2)

SYMMETRY_TOLERANCE = 0.01
"""Share of its peak by which a symmetry may change a kernel."""


def depth_grid(depth_range_um: Sequence[float], depth_step_um: float) -> Tensor:
    """Depths `(D,)` from the first to the last of a range, at most a step apart [um], float64."""
    low, high = depth_range_um
    return torch.linspace(low, high, math.ceil((high - low) / depth_step_um) + 1, dtype=torch.float64)


def interpolation_weights(nodes_um: Tensor, depths_um: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes and weights of a linear interpolation in depth.

    Parameters
    ----------
    nodes_um : Tensor (D,)
        Depths of the kernels, increasing [um].
    depths_um : Tensor (...)
        Depths [um].

    Returns
    -------
    Tensor (...), Tensor (...)
        Index of the node at or below each depth, and weight of the next node, 0 to 1.

    Raises
    ------
    InputError
        If a depth lies outside the nodes.
    """
    low, high = nodes_um[0], nodes_um[-1]
    outside = depths_um[~((depths_um >= low) & (depths_um <= high))]
    if len(outside):
        raise InputError(
            f"point-spread function: found a distance of {outside[0]:g} um; expected {low:g} to {high:g} um. "
            "Widen psf.depth_range_um or narrow the depth_range_um of the dataset."
        )
    lower = (torch.searchsorted(nodes_um, depths_um.contiguous(), right=True) - 1).clamp(max=len(nodes_um) - 2)
    return lower, (depths_um - nodes_um[lower]) / (nodes_um[lower + 1] - nodes_um[lower])


@dataclass(frozen=True)
class PSF:
    """Kernels of an imager at increasing depths, with linear interpolation between them.

    Parameters
    ----------
    kernels : Tensor (D, K, K), float32
        Centred kernels, K odd, without negative values, each with sum 1.
    depths_um : Tensor (D,), float32
        Their depths, at least two, increasing [um].
    pixel_pitch_um : float
        Distance between neighbouring pixels of the kernels [um].
    attributes : mapping
        Provenance: ``source``, and of a fit ``fwhm_deg``, ``standoff_um`` and their standard errors.
    """

    kernels: Tensor
    depths_um: Tensor
    pixel_pitch_um: float
    attributes: Mapping[str, hdf5.Attribute] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Digest of kernels, depths and pixel pitch: 16 hexadecimal digits."""
        content = hashlib.sha256(np.float64(self.pixel_pitch_um).tobytes())
        for tensor in (self.depths_um, self.kernels):
            content.update(tensor.cpu().contiguous().numpy().data)
        return content.hexdigest()[:16]

    @cached_property
    def symmetries(self) -> tuple[Symmetry, ...]:
        """Symmetries of the square, a group, that change no kernel by more than `SYMMETRY_TOLERANCE` of its peak."""
        tolerances = SYMMETRY_TOLERANCE * self.kernels.amax((-2, -1))
        found = {
            symmetry
            for symmetry in Symmetry
            if ((symmetry.apply(self.kernels) - self.kernels).abs().amax((-2, -1)) <= tolerances).all()
        }
        # Two symmetries within the tolerance may exceed it together; what is closed under products remains.
        return tuple(each for each in Symmetry if {each.then(other) for other in found} == found)

    def interpolate(self, depths_um: Tensor) -> Tensor:
        """Kernels at any depths.

        Parameters
        ----------
        depths_um : Tensor (...)
            Depths [um].

        Returns
        -------
        Tensor (..., K, K)
            Kernels, linearly interpolated.

        Raises
        ------
        InputError
            If a depth lies outside the range of `depths_um`.
        """
        lower, weight = interpolation_weights(self.depths_um, depths_um.to(self.depths_um))
        return torch.lerp(self.kernels[lower], self.kernels[lower + 1], weight[..., None, None])

    def save(self, path: str | Path, extras: Mapping[str, hdf5.LabelledArray] | None = None) -> None:
        """Write to HDF5, with `extras` as additional arrays."""
        arrays = {
            "kernels": hdf5.LabelledArray(self.kernels.numpy(), "depth y x"),
            "depths_um": hdf5.LabelledArray(self.depths_um.numpy(), "depth", "um"),
            **(extras or {}),
        }
        hdf5.write(path, PSF_FORMAT, arrays, {**self.attributes, "pixel_pitch_um": self.pixel_pitch_um})

    @classmethod
    def load(cls, path: str | Path) -> "PSF":
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If the file is missing, damaged or of another kind.
        """
        arrays, attributes = hdf5.read(path, PSF_FORMAT, ["kernels", "depths_um"])
        kernels, depths_um, pitch_um = arrays["kernels"], arrays["depths_um"], attributes.pop("pixel_pitch_um", None)
        size = kernels.shape[-1] if kernels.ndim else 0
        is_shaped = kernels.shape == (*depths_um.shape, size, size) and depths_um.ndim == 1 and size % 2
        if not is_shaped or not isinstance(pitch_um, float) or not 0 < pitch_um < math.inf:
            raise InputError(
                f"{path}: kernels have the shape {kernels.shape}, depths_um {depths_um.shape}, and pixel_pitch_um is "
                f"{pitch_um}; expected (depth, y, x) with odd y and x, (depth) and a positive number. Delete it and "
                "run again."
            )
        if not (np.isfinite(kernels).all() and np.isfinite(depths_um).all() and (np.diff(depths_um) > 0).all()):
            raise InputError(f"{path}: kernels and depths_um must be finite, and depths_um increase. Run again.")
        provenance = {name: value for name, value in attributes.items() if name not in ("kind", "version")}
        kernels, depths_um = kernels.astype(np.float32), depths_um.astype(np.float32)
        return cls(torch.from_numpy(kernels), torch.from_numpy(depths_um), float(pitch_um), provenance)
