"""The imager's point-spread function: from its pixels' angular acceptance, and as a file.

A kernel `(K, K)` with ``K = 2 * pixels - 1`` is what one point of the scene adds to the picture: centred, at the pitch
of the imager, without negative values, with sum 1. So a layer's light is kept at every depth, and leaves only at the
picture's edges.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from foci3d import store
from foci3d.errors import InputError

PSF_KIND = store.Kind("foci3d-psf", 1)


@dataclass(frozen=True)
class Acceptance:
    """Optics of a lensless imager whose pixels see a limited range of angles.

    Parameters
    ----------
    fwhm_deg : float
        Full width at half maximum of the Gaussian angular acceptance [degrees].
    standoff_um : float
        Thickness of filter and passivation, between depth zero and the pixels [um].
    aperture : float
        Width of the square light-sensitive part of a pixel [pitches], above 0 and at most 1.
    """

    fwhm_deg: float
    standoff_um: float
    aperture: float


def irradiance(slope: Tensor, fwhm_deg: float) -> Tensor:
    r"""Light that a pixel takes from a point source, against the slope of its rays.

    :math:`g(\theta) \cos^3 \theta` with :math:`\tan \theta` = slope. The Gaussian g is the pixel's angular acceptance,
    :math:`\cos^3 \theta` the irradiance of a plane by an isotropic emitter (inverse square and obliquity).

    Parameters
    ----------
    slope : Tensor
        Lateral offset over height.
    fwhm_deg : float
        Full width at half maximum of g [degrees].

    Returns
    -------
    Tensor
        Relative irradiance, 1 at slope 0.
    """
    angle = slope.atan() / math.radians(fwhm_deg)
    return torch.exp(-4 * math.log(2) * angle.square()) * (1 + slope.square()).rsqrt().pow(3)


def height_um(acceptance: Acceptance, depth_um: float, pixel_pitch_um: float) -> float:
    """Height of a source above the pixels, at least a twentieth of an aperture: nearer, one pixel sees it all [um]."""
    return max(depth_um + acceptance.standoff_um, acceptance.aperture * pixel_pitch_um / 20)


def pixel_means(
    light: Callable[[Tensor, Tensor], Tensor],
    acceptance: Acceptance,
    depth_um: float,
    y_um: Tensor,
    x_um: Tensor,
    pixel_pitch_um: float,
    oversample: int,
) -> Tensor:
    """Mean over each pixel's aperture of a function of the rays' slopes, by Gauss-Legendre quadrature.

    Parameters
    ----------
    light : callable
        From slopes y `(Y, 1)` and x `(X,)` to values `(..., Y, X)`; taken as 0 at slopes above 50.
    acceptance : Acceptance
        The optics.
    depth_um : float
        Depth of the source [um].
    y_um, x_um : Tensor (Y,), Tensor (X,)
        Centres of the pixels, from the source, float64 [um].
    pixel_pitch_um : float
        Distance of neighbouring pixels [um].
    oversample : int
        Samples across the half-maximum width of the source's spot.

    Returns
    -------
    Tensor (..., Y, X), float64
        Mean value of each pixel.
    """
    width_um = acceptance.aperture * pixel_pitch_um
    high_um = height_um(acceptance, depth_um, pixel_pitch_um)
    count = 2 + math.ceil(oversample * width_um / high_um / math.radians(acceptance.fwhm_deg))
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(count))
    near_y, near_x = (centres.abs() <= 50 * high_um + pixel_pitch_um for centres in (y_um, x_um))
    y, x = ((c[:, None] + nodes * width_um / 2).flatten() / high_um for c in (y_um[near_y], x_um[near_x]))
    across = light(y[:, None], x).unflatten(-1, (-1, count)) @ (weights / 2)
    inside = across.unflatten(-2, (-1, count)).mT @ (weights / 2)
    means = inside.new_zeros(*inside.shape[:-2], len(y_um), len(x_um))
    means[..., near_y[:, None] & near_x] = inside.flatten(-2)
    return means


def spot(
    acceptance: Acceptance, depth_um: float, y_um: Tensor, x_um: Tensor, pixel_pitch_um: float, oversample: int = 5
) -> Tensor:
    """Light of one point source in each pixel, relative to the irradiance right below it; see `pixel_means`."""

    def light(y: Tensor, x: Tensor) -> Tensor:
        return irradiance(torch.hypot(y, x), acceptance.fwhm_deg)

    return pixel_means(light, acceptance, depth_um, y_um, x_um, pixel_pitch_um, oversample)


def acceptance_kernels(
    acceptance: Acceptance, depths_um: Tensor, pixels: int, pixel_pitch_um: float, oversample: int = 5
) -> Tensor:
    """Kernels of an imager with a known angular acceptance.

    Parameters
    ----------
    acceptance : Acceptance
        The optics.
    depths_um : Tensor (D,)
        Depths [um].
    pixels : int
        Pixels of the picture in y and x.
    pixel_pitch_um : float
        Distance of neighbouring pixels [um].
    oversample : int
        Samples across the half-maximum width of a point's spot.

    Returns
    -------
    Tensor (D, K, K), float64
        Kernels with ``K = 2 * pixels - 1``; each has sum 1.
    """
    centres_um = torch.arange(pixels, dtype=torch.float64) * pixel_pitch_um
    about = centres_um, centres_um, pixel_pitch_um, oversample
    quarters = torch.stack([spot(acceptance, depth_um, *about) for depth_um in depths_um.tolist()])
    halves = torch.cat([quarters[:, 1:].flip(1), quarters], 1)
    kernels = torch.cat([halves[:, :, 1:].flip(2), halves], 2)
    return kernels / kernels.sum((1, 2), keepdim=True)


def depth_grid(depth_range_um: Sequence[float], depth_step_um: float) -> Tensor:
    """Depths `(D,)` from the first to the last of a range, at most a step apart [um], float64."""
    low, high = depth_range_um
    return torch.linspace(low, high, math.ceil((high - low) / depth_step_um) + 1, dtype=torch.float64)


def bracket(nodes_um: Tensor, depths_um: Tensor) -> tuple[Tensor, Tensor]:
    """Place of each depth between the nodes of a linear interpolation.

    Parameters
    ----------
    nodes_um : Tensor (D,)
        Increasing depths of the kernels [um].
    depths_um : Tensor (...)
        Depths [um].

    Returns
    -------
    Tensor (...), Tensor (...)
        Index of the node at or below each depth, and the share of the next node, 0 to 1.

    Raises
    ------
    InputError
        If a depth lies outside the nodes.
    """
    low, high = nodes_um[0], nodes_um[-1]
    outside = depths_um[~((depths_um >= low) & (depths_um <= high))]
    if len(outside):
        raise InputError(
            f"point-spread function: depth {outside[0]:g} um was asked for; expected {low:g} to {high:g} um, "
            "widen psf.depth_range_um or narrow the depths of the set."
        )
    lower = (torch.searchsorted(nodes_um, depths_um.contiguous(), right=True) - 1).clamp(max=len(nodes_um) - 2)
    return lower, (depths_um - nodes_um[lower]) / (nodes_um[lower + 1] - nodes_um[lower])


@dataclass(frozen=True)
class Psf:
    """Kernels of an imager at increasing depths, with linear interpolation between them.

    Parameters
    ----------
    kernels : Tensor (D, K, K), float32
        Centred kernels, K odd, without negative values, each with sum 1.
    depths_um : Tensor (D,), float32
        Their depths, at least two, increasing [um].
    pixel_pitch_um : float
        Distance of the kernels' pixels [um].
    attributes : mapping
        What else is known: ``source``, and of a fit ``fwhm_deg``, ``standoff_um`` and their standard errors.
    """

    kernels: Tensor
    depths_um: Tensor
    pixel_pitch_um: float
    attributes: Mapping[str, store.Attribute] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Digest of kernels, depths and pitch: 16 hexadecimal digits."""
        content = hashlib.sha256(np.float64(self.pixel_pitch_um).tobytes())
        for tensor in (self.depths_um, self.kernels):
            content.update(tensor.cpu().contiguous().numpy().data)
        return content.hexdigest()[:16]

    def at(self, depths_um: Tensor) -> Tensor:
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
        lower, share = bracket(self.depths_um, depths_um.to(self.depths_um))
        return torch.lerp(self.kernels[lower], self.kernels[lower + 1], share[..., None, None])

    def save(self, path: str | Path, extras: Mapping[str, store.Array] | None = None) -> None:
        """Write to HDF5, with further arrays for the record where there are any."""
        arrays = {
            "kernels": store.Array(self.kernels.numpy(), "depth y x"),
            "depths_um": store.Array(self.depths_um.numpy(), "depth", "um"),
            **(extras or {}),
        }
        store.write(path, PSF_KIND, arrays, {**self.attributes, "pixel_pitch_um": self.pixel_pitch_um})

    @classmethod
    def load(cls, path: str | Path) -> "Psf":
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If the file is missing, damaged or of another kind.
        """
        arrays, attributes = store.read(path, PSF_KIND, ["kernels", "depths_um"])
        pitch_um = float(attributes.pop("pixel_pitch_um"))
        known = {name: value for name, value in attributes.items() if name not in ("kind", "version")}
        return cls(torch.from_numpy(arrays["kernels"]), torch.from_numpy(arrays["depths_um"]), pitch_um, known)
