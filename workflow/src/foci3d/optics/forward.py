r"""The forward operator of an imager: from layers of cells to the measurements of its sensors, and back.

The measurement of sensor s is the sum of all layers l, each convolved with the kernel of its distance from the sensor,

.. math:: y_s = \sum_l h(d_{sl}) * x_l ,

where layers are zero beyond their edges. `ForwardModel` computes it at any depths with products of band matrices,
several times as fast as Fourier transforms for measurements of 51 pixels. `ForwardModel.at` gives the same operator at
fixed depths as a `FourierOperator`, exact to rounding, whose transfer functions are what deconvolution needs.
"""

from functools import cached_property
from itertools import pairwise, product
from typing import Self

import numpy as np
import torch
from scipy.fft import dct, next_fast_len
from torch import Tensor
from torch.nn import functional

from foci3d.errors import InputError
from foci3d.optics.linalg import batched_matmul
from foci3d.optics.psf import PSF, interpolation_weights

N_LOW = 16
"""Low frequencies in y and in x; masks say little about higher ones."""


def sensor_distances_um(depths_um: Tensor, n_sensors: int, sensor_separation_um: float) -> Tensor:
    """Distances `(N, S, L)` of layers from sensor A, or from sensors A and B, which face each other [um].

    Examples
    --------
    >>> sensor_distances_um(torch.tensor([[100.0, 300.0]]), 2, 1000.0).tolist()
    [[[100.0, 300.0], [900.0, 700.0]]]
    """
    return torch.stack([depths_um, sensor_separation_um - depths_um][:n_sensors], 1)


def periodic_transfer(kernels: Tensor, n_pixels: int) -> Tensor:
    """Transfer functions of centred `kernels (..., K, K)` for periodic layers of P x P pixels, K odd.

    Fourier transforms `(..., P, P)`, complex128, in the order of `torch.fft.fft2`; the sum of a kernel at frequency 0.
    """
    extent = kernels.shape[-1]
    rest = -extent % n_pixels
    tiles = functional.pad(kernels.double(), (0, rest, 0, rest))
    wrapped = tiles.unflatten(-1, (-1, n_pixels)).unflatten(-3, (-1, n_pixels)).sum((-4, -2))
    return torch.fft.fft2(wrapped.roll((-(extent // 2), -(extent // 2)), (-2, -1)))


def separable_terms(kernels: Tensor, n_terms: int) -> tuple[Tensor, Tensor]:
    r"""Factors of the best approximation of each kernel by a sum of separable terms, aligned from kernel to kernel.

    The singular value decomposition leaves the factors free up to an orthogonal mix of the terms. The mix of each
    kernel is the one that comes closest to the kernel before (orthogonal Procrustes problem), so that factors between
    two depths can be interpolated: signs agree, and terms may change their order.

    Of `kernels (D, K, K)`, the factors a and b of :math:`k_{yx} \approx \sum_t a_{yt} b_{xt}` with T terms, both
    `(D, K, T)` and float64.
    """
    left, values, right = torch.linalg.svd(kernels.double(), full_matrices=False)
    root = values[:, None, :n_terms].sqrt()
    factors = torch.cat([left[..., :n_terms] * root, right.mT[..., :n_terms] * root], 1)
    for previous, current in pairwise(factors):
        u, _, v = torch.linalg.svd(current.mT @ previous)
        current.copy_(current @ u @ v)
    rows, columns = factors.chunk(2, 1)
    return rows, columns


class ForwardModel(torch.nn.Module):
    """The imager as a linear operator at any depths.

    Products of band matrices: each kernel is a sum of a few separable terms, each term two band matrices. The factors
    are interpolated linearly between the depths of the point-spread function. Three terms reproduce the kernels of an
    angular acceptance to 1e-4 of their peak, and measurements to 1.5e-3 of their peak.

    Parameters
    ----------
    psf : PSF
        Point-spread function, with kernels of ``2 * n_pixels - 1`` pixels.
    n_pixels : int
        Pixels P of layers and measurements in y and x.
    n_sensors : int
        1 for sensor A, 2 for sensors A and B.
    sensor_separation_um : float
        Distance between the sensors [um].
    n_terms : int
        Separable terms of a kernel.

    Raises
    ------
    InputError
        If the kernels do not have ``2 * n_pixels - 1`` pixels.
    """

    depths_um: Tensor
    kernels: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, psf: PSF, n_pixels: int, n_sensors: int, sensor_separation_um: float, n_terms: int = 3) -> None:
        super().__init__()
        if psf.kernels.shape[-1] != 2 * n_pixels - 1:
            raise InputError(
                f"point-spread function: its kernels have {psf.kernels.shape[-1]} pixels; expected {2 * n_pixels - 1} "
                f"for measurements of {n_pixels} pixels. Set imager.n_pixels to that of the PSF or recompute the PSF."
            )
        self.n_pixels, self.n_sensors, self.n_terms = n_pixels, n_sensors, n_terms
        self.sensor_separation_um = sensor_separation_um
        rows, columns = separable_terms(psf.kernels, n_terms)
        buffers = {
            "depths_um": psf.depths_um,
            "kernels": psf.kernels,
            "rows": rows.to(psf.kernels).contiguous(),
            "columns": columns.mT.to(psf.kernels).contiguous(),
        }
        for name, values in buffers.items():
            self.register_buffer(name, values, persistent=False)

    def distances_um(self, depths_um: Tensor) -> Tensor:
        """Distances `(N, S, L)` of layers at `depths_um (N, L)` from the sensors [um]."""
        return sensor_distances_um(depths_um, self.n_sensors, self.sensor_separation_um)

    def forward(self, layers: Tensor, depths_um: Tensor) -> Tensor:
        """Measurements `(N, S, P, P)` of un-blurred `layers (N, L, P, P)` [a.u.], differentiable in these.

        Layers may extend beyond the measurement by the same margin at each edge; light from more than P - 1 pixels away
        does not reach a pixel. `depths_um (N, L)` are their distances from sensor A [um]; InputError if the distance of
        a layer from a sensor lies outside the depths of the point-spread function.
        """
        return self.project(layers, self.distances_um(depths_um))

    def project(self, layers: Tensor, distances_um: Tensor) -> Tensor:
        """Measurements `(N, S, P, P)` of `layers (N, L, P, P)` at any `distances_um (N, S, L)` from the sensors."""
        projected = [
            self._multiply(layers, *self._interpolate(distance_um, self.rows, self.columns)).sum(-3)
            for distance_um in distances_um.unbind(1)
        ]
        return torch.stack(projected, 1)

    def adjoint(self, measurements: Tensor, depths_um: Tensor) -> Tensor:
        """Transpose of `forward`: the correlation of `measurements (N, S, P, P)` with the kernels, `(N, L, P, P)`."""
        rows, columns = self._interpolate(self.distances_um(depths_um), self.rows, self.columns)
        sources = measurements[:, :, None].expand(-1, -1, depths_um.shape[-1], -1, -1)
        return self._multiply(sources, rows.flip(-2), columns.flip(-1)).sum(1)

    def project_each(self, layers: Tensor, distances_um: Tensor) -> Tensor:
        """Measurements `(N, L, S, P, P)` of each of `layers (N, L, P, P)` alone at `distances_um (N, S, L)`.

        Distances beyond the depths of the point-spread function are taken as the nearest of these.
        """
        alone = self.clamp(distances_um).mT.flatten(0, 1)[..., None]
        return self.project(layers.flatten(0, 1)[:, None], alone).unflatten(0, layers.shape[:2])

    def project_field(self, layers: Tensor, depths_um: Tensor) -> Tensor:
        """Measurements of each layer of a field alone, exact to rounding.

        The field is rendered by blocks of P pixels, whose light reaches the neighbouring blocks.

        Parameters
        ----------
        layers : Tensor (N, L, Y, X), float32
            Un-blurred layers [a.u.].
        depths_um : Tensor (L,) or (L, Y, X)
            Their depths, or maps of these, whose mean over a block is taken [um]. Distances beyond the depths of the
            point-spread function are taken as the nearest of these.

        Returns
        -------
        Tensor (N, L, S, Y, X)
            Measurements [a.u.].
        """
        (height, width), margin = layers.shape[-2:], self.n_pixels - 1
        padded = functional.pad(layers, (0, -width % self.n_pixels, 0, -height % self.n_pixels))
        extents = (padded.shape[-2] + 2 * margin, padded.shape[-1] + 2 * margin)
        canvas = layers.new_zeros(*layers.shape[:2], self.n_sensors, *extents)
        for y, x in product(range(0, height, self.n_pixels), range(0, width, self.n_pixels)):
            block = (..., slice(y, y + self.n_pixels), slice(x, x + self.n_pixels))
            depths = depths_um if depths_um.ndim == 1 else depths_um[block].mean((1, 2))
            kernels = self.kernels_at(depths[None], clamp=True)
            light = FourierOperator.from_kernels(kernels, margin).project_each(padded[block])
            canvas[..., y : y + light.shape[-2], x : x + light.shape[-1]] += light
        return canvas[..., margin : margin + height, margin : margin + width]

    @cached_property
    def low_frequencies(self) -> "TransformedModel":
        """The cosine transform of what the sensors see, at low frequencies."""
        return TransformedModel(self, cosine_transform(self.n_pixels))

    def at(self, depths_um: Tensor, *, clamp: bool = False) -> "FourierOperator":
        """The exact operator for stacks whose layers are at `depths_um (N, L)`; see `kernels_at`."""
        return FourierOperator.from_kernels(self.kernels_at(depths_um, clamp=clamp))

    def kernels_at(self, depths_um: Tensor, *, clamp: bool = False) -> Tensor:
        """Kernels by which the sensors see layers.

        Parameters
        ----------
        depths_um : Tensor (N, L)
            Depths of the layers [um].
        clamp : bool
            Whether distances beyond the depths of the point-spread function are taken as the nearest of these.

        Returns
        -------
        Tensor (N, S, L, K, K)
            Kernels.

        Raises
        ------
        InputError
            If the distance of a layer from a sensor lies outside the depths of the point-spread function, without
            `clamp`.
        """
        distances_um = self.distances_um(depths_um)
        return self._interpolate(self.clamp(distances_um) if clamp else distances_um, self.kernels)[0]

    def transfer_function(self, depths_um: Tensor) -> Tensor:
        """Transfer functions `(N, S, L, P, P)` of layers at `depths_um (N, L)`; see `periodic_transfer`."""
        return periodic_transfer(self.kernels_at(depths_um), self.n_pixels)

    def clamp(self, distances_um: Tensor) -> Tensor:
        """Distances within the depths of the point-spread function: the nearest ones of these."""
        return distances_um.clamp(self.depths_um[0], self.depths_um[-1])

    def _interpolate(self, distances_um: Tensor, *values: Tensor) -> list[Tensor]:
        """Each of `values (D, ..., ...)` at `distances_um (...)`."""
        lower, weight = interpolation_weights(self.depths_um, distances_um.to(self.depths_um))
        return [torch.lerp(value[lower], value[lower + 1], weight[..., None, None]) for value in values]

    def _multiply(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Convolution of `images (..., P, P)` with the kernels whose factors are `rows` and `columns`.

        With the image flipped, the band matrices a[P-1 + i-j] become a[i+j], which are plain windows of the factors:
        `by_row (..., Y, Y' * T)` and `by_column (..., X', T * X)`. Where images have a margin, the factors are 0 there.
        """
        n_source = images.shape[-1]
        if margin := (n_source - self.n_pixels) // 2:
            rows, columns = functional.pad(rows, (0, 0, margin, margin)), functional.pad(columns, (margin, margin))
        by_row = rows.flatten(-2).unfold(-1, n_source * self.n_terms, self.n_terms).contiguous()
        by_column = columns.unfold(-1, self.n_pixels, 1).transpose(-3, -2).flatten(-2)
        partial = batched_matmul(images.flip((-2, -1)), by_column)  # (..., Y', T * X)
        return batched_matmul(by_row, partial.reshape(*partial.shape[:-2], -1, self.n_pixels))


def cosine_transform(n_pixels: int) -> Tensor:
    """Cosine transform `(K, P)` of P pixels at low frequencies: of an image x, it is `transform @ x @ transform.mT`."""
    return torch.from_numpy(dct(np.eye(n_pixels), axis=0, norm="ortho")[:N_LOW]).float()


class TransformedModel:
    """A linear transform of the measurements of an imager, without the measurements themselves.

    Few low frequencies, as of a cosine transform, take a fifth of the time of the images.

    Parameters
    ----------
    forward : ForwardModel
        The imager.
    transform : Tensor (K, P)
        Of an image x, `transform @ x @ transform.mT` is wanted.
    """

    def __init__(self, forward: ForwardModel, transform: Tensor) -> None:
        self.forward = forward
        pixels = torch.arange(forward.n_pixels)
        band = forward.n_pixels - 1 + pixels[:, None] - pixels
        self.rows = (transform @ forward.rows.mT[..., band]).transpose(1, 2).contiguous()  # (D, K, T, P)
        self.columns = (transform @ forward.columns[..., band]).transpose(1, 2).contiguous()

    def project_each(self, layers: Tensor, distances_um: Tensor) -> tuple[Tensor, Tensor]:
        """Transforms `(N, L, S, K, K)` of `ForwardModel.project_each`, of the `layers` and of even light in each."""
        lower, weight = interpolation_weights(self.forward.depths_um, self.forward.clamp(distances_um).mT)
        rows, columns = (
            torch.lerp(factors[lower], factors[lower + 1], weight[..., None, None, None])
            for factors in (self.rows, self.columns)
        )  # (N, L, S, K, T, P)
        partial = batched_matmul(rows.flatten(-3, -2), layers[:, :, None]).view(*rows.shape[:-2], -1)
        return batched_matmul(partial, columns.flatten(-2).mT), rows.sum(-1) @ columns.sum(-1).mT


class FourierOperator:
    """The forward operator at fixed depths, by zero-padded Fourier transforms.

    Parameters
    ----------
    transfer : Tensor (N, S, L, F, F')
        Transfer functions of the layers as seen by each sensor, as `from_kernels` computes them.
    n_pixels : int
        Pixels P of layers in y and x.
    margin : int
        Pixels by which measurements extend beyond each edge of the layers, up to ``P - 1``.
    """

    def __init__(self, transfer: Tensor, n_pixels: int, margin: int = 0) -> None:
        self.transfer, self.n_pixels, self.margin = transfer, n_pixels, margin
        self.size = (transfer.shape[-2],) * 2
        # The centre of a kernel is at P - 1, which shifts measurements by as many pixels.
        extent = slice(n_pixels - 1 - margin, 2 * n_pixels - 1 + margin)
        self.window = (..., extent, extent)

    @classmethod
    def from_kernels(cls, kernels: Tensor, margin: int = 0) -> Self:
        """The operator of centred `kernels (N, S, L, K, K)` with ``K = 2 * P - 1``."""
        extent = kernels.shape[-1]
        size = next_fast_len(extent + margin, real=True)  # within the window, nothing wraps around
        return cls(torch.fft.rfft2(kernels, (size, size)), (extent + 1) // 2, margin)

    def with_added_kernels(self, kernels: Tensor) -> Self:
        """The operator whose kernels are the sums of its own and of centred `kernels (..., K, K)`."""
        return type(self)(self.transfer + torch.fft.rfft2(kernels, self.size), self.n_pixels, self.margin)

    @property
    def kernels(self) -> Tensor:
        """Centred kernels `(N, S, L, K, K)`."""
        extent = 2 * self.n_pixels - 1
        return torch.fft.irfft2(self.transfer, self.size)[..., :extent, :extent]

    def forward(self, layers: Tensor) -> Tensor:
        """Measurements `(N, S, M, M)` of `layers (N, L, P, P)`; M is P, and two margins."""
        spectra = torch.fft.rfft2(layers, self.size)
        return torch.fft.irfft2((self.transfer * spectra[:, None]).sum(2), self.size)[self.window]

    def project_each(self, layers: Tensor) -> Tensor:
        """Measurements `(N, L, S, M, M)` of each of `layers (N, L, P, P)` alone."""
        spectra = torch.fft.rfft2(layers, self.size)[:, :, None]
        return torch.fft.irfft2(self.transfer.transpose(1, 2) * spectra, self.size)[self.window]

    def adjoint(self, measurements: Tensor) -> Tensor:
        """Transpose of `forward`: layers `(N, L, P, P)` from `measurements (N, S, M, M)`."""
        return self.layers((self.transfer.conj() * self.spectra(measurements)[:, :, None]).sum(1))

    def spectra(self, measurements: Tensor) -> Tensor:
        """Fourier transforms `(N, S, ...)` of measurements, shifted to where `transfer` puts them."""
        extent = self.window[-1]
        return torch.fft.rfft2(functional.pad(measurements, (extent.start, self.size[0] - extent.stop) * 2))

    def layers(self, spectra: Tensor) -> Tensor:
        """Layers `(N, L, P, P)` from their Fourier transforms."""
        return torch.fft.irfft2(spectra, self.size)[..., : self.n_pixels, : self.n_pixels]
