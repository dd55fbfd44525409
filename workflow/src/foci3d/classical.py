"""What a user has without a network: deconvolution with a known point-spread function at known depths.

The pictures of S sensors are sums of L blurred layers, zero-padded:

    y_s = sum_l h_sl * x_l.

Every method takes pictures `(N, S, P, P)` and kernels `(N, S, L, 2 P - 1, 2 P - 1)` and gives layers `(N, L, P, P)`.
It knows the depth of each layer, which no network is told. What a method leaves open, from its regularisation to the
scale of probabilities, is chosen on validation samples.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.fft import next_fast_len
from scipy.ndimage import gaussian_filter
from skimage import restoration
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import ParameterGrid
from torch import Tensor

from foci3d import measures
from foci3d.optics import Psf

log = logging.getLogger(__name__)

Array = npt.NDArray[np.float32]

BATCH = 32
"""Samples that are reconstructed at once."""


def stack_kernels(psf: Psf, depths_um: Tensor, sensors: int, separation_um: float) -> Tensor:
    """Kernels `(N, S, L, K, K)` of layers at `depths_um (N, L)`, from sensor A and, of two, B at `separation_um`."""
    return psf.at(torch.stack([depths_um, separation_um - depths_um][:sensors], 1))


class StackModel:
    """The sensors' pictures of a stack of layers as a linear operator, and its adjoint, by Fourier transforms.

    Parameters
    ----------
    kernels : Tensor (N, S, L, K, K)
        Centred kernels, K odd.
    """

    def __init__(self, kernels: Tensor) -> None:
        extent = kernels.shape[-1]
        self.pixels = (extent + 1) // 2
        self.size = (next_fast_len(extent, real=True),) * 2
        self.transfer = torch.fft.rfft2(kernels, self.size)
        # The kernels' middle is at P - 1, and so is the first pixel of the picture.
        self.window = (..., slice(self.pixels - 1, extent), slice(self.pixels - 1, extent))

    def forward(self, layers: Tensor) -> Tensor:
        """Pictures `(N, S, P, P)` of `layers (N, L, P, P)`."""
        spectra = torch.fft.rfft2(layers, self.size)
        return torch.fft.irfft2((self.transfer * spectra[:, None]).sum(2), self.size)[self.window]

    def adjoint(self, pictures: Tensor) -> Tensor:
        """Layers `(N, L, P, P)` that collect the light of `pictures (N, S, P, P)`."""
        spectra = self.transfer.conj() * self.spectra(pictures)[:, :, None]
        return torch.fft.irfft2(spectra.sum(1), self.size)[..., : self.pixels, : self.pixels]

    def spectra(self, pictures: Tensor) -> Tensor:
        """Fourier transforms of pictures, put where the blur leaves them."""
        frame = pictures.new_zeros(*pictures.shape[:-2], *self.size)
        frame[self.window] = pictures
        return torch.fft.rfft2(frame)


def identity(pictures: Tensor, kernels: Tensor) -> Tensor:
    """Take each layer for what sensor A shows: no reconstruction at all."""
    return pictures[:, :1].expand(-1, kernels.shape[2], -1, -1)


def wiener(pictures: Tensor, kernels: Tensor, balance: float) -> Tensor:
    """Wiener deconvolution of a single layer with a Laplacian prior of weight `balance`, by scikit-image."""
    return _restore(pictures, kernels, lambda picture, kernel: restoration.wiener(picture, kernel, balance, clip=False))


def richardson_lucy(pictures: Tensor, kernels: Tensor, iterations: int) -> Tensor:
    """Richardson-Lucy deconvolution of a single layer, by scikit-image."""
    return _restore(
        pictures, kernels, lambda picture, kernel: restoration.richardson_lucy(picture, kernel, iterations, clip=False)
    )


def _restore(pictures: Tensor, kernels: Tensor, restore: Callable[[Array, Array], Array]) -> Tensor:
    """Apply a method of scikit-image to sensor A's pictures, continued beyond their borders as far as they reach."""
    pixels = pictures.shape[-1]
    margin = pixels // 2
    inside = slice(margin, margin + pixels)
    framed = torch.nn.functional.pad(pictures[:, :1], (margin,) * 4, mode="replicate").numpy()
    restored = [
        restore(picture, kernel) for picture, kernel in zip(framed[:, 0], kernels[:, 0, 0].numpy(), strict=True)
    ]
    return torch.from_numpy(np.stack(restored)[:, None, inside, inside].astype(np.float32))


def back_projection(pictures: Tensor, kernels: Tensor) -> Tensor:
    """Send the light of each pixel back to where it may have come from: the adjoint of the blur."""
    return StackModel(kernels).adjoint(pictures)


def layered_wiener(pictures: Tensor, kernels: Tensor, noise_to_signal: float) -> Tensor:
    r"""Joint Tikhonov solution for all layers from all sensors.

    At each spatial frequency, with the S x L matrix H of the transfer functions,
    :math:`\hat x = H^* (H H^* + \epsilon)^{-1} y`, which minimises :math:`|H x - y|^2 + \epsilon |x|^2`.

    Parameters
    ----------
    pictures : Tensor (N, S, P, P)
        Pictures of the sensors.
    kernels : Tensor (N, S, L, K, K)
        Kernels.
    noise_to_signal : float
        :math:`\epsilon`, power of the noise over that of each layer.

    Returns
    -------
    Tensor (N, L, P, P)
        Layers.
    """
    model = StackModel(kernels)
    system = model.transfer.movedim((1, 2), (-2, -1))
    gram = system @ system.mH + noise_to_signal * torch.eye(pictures.shape[1], dtype=pictures.dtype)
    seen = model.spectra(pictures).movedim(1, -1)[..., None]
    layers = (system.mH @ torch.linalg.solve(gram, seen)).squeeze(-1).movedim(-1, 1)
    return torch.fft.irfft2(layers, model.size)[..., : model.pixels, : model.pixels]


def nonnegative_least_squares(pictures: Tensor, kernels: Tensor, iterations: int) -> Tensor:
    """Layers without negative values that explain the pictures, approached by accelerated projected gradients.

    This is FISTA (Beck and Teboulle, SIAM J. Imaging Sci. 2, 2009) from zero. Fewer iterations regularise more.

    Parameters
    ----------
    pictures : Tensor (N, S, P, P)
        Pictures of the sensors.
    kernels : Tensor (N, S, L, K, K)
        Kernels without negative values, each with a sum of at most 1.
    iterations : int
        Number of gradients.

    Returns
    -------
    Tensor (N, L, P, P)
        Layers.
    """
    model = StackModel(kernels)
    # No kernel amplifies any frequency, so the squared norm of the S x L operator is at most S L.
    step = 1 / (kernels.shape[1] * kernels.shape[2])
    layers = torch.zeros_like(model.adjoint(pictures))
    ahead, momentum = layers, 1.0
    for _ in range(iterations):
        before = layers
        layers = (ahead - step * model.adjoint(model.forward(ahead) - pictures)).clamp(min=0)
        faster = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = layers + (momentum - 1) / faster * (layers - before)
        momentum = faster
    return layers


METHODS: dict[str, Callable[..., Tensor]] = {
    "identity": identity,
    "wiener": wiener,
    "richardson_lucy": richardson_lucy,
    "back_projection": back_projection,
    "layered_wiener": layered_wiener,
    "nonnegative_least_squares": nonnegative_least_squares,
}


@dataclass(frozen=True)
class Stacks:
    """Pictures of stacks, and what is known of them.

    Parameters
    ----------
    psf : Psf
        Point-spread function.
    separation_um : float
        Distance of the sensors [um].
    sensors : ndarray (N, S, P, P)
        Pictures.
    depths_um : ndarray (N, L)
        Depths of the layers [um].
    """

    psf: Psf
    separation_um: float
    sensors: Array
    depths_um: Array

    def reconstruct(self, method: str, parameters: Mapping[str, float]) -> Array:
        """Layers `(N, L, P, P)` by one of METHODS."""
        pictures, depths_um = torch.from_numpy(self.sensors), torch.from_numpy(self.depths_um)
        parts = [
            METHODS[method](some, stack_kernels(self.psf, depths, some.shape[1], self.separation_um), **parameters)
            for some, depths in zip(pictures.split(BATCH), depths_um.split(BATCH), strict=True)
        ]
        return torch.cat(parts).numpy()


class Calibration:
    """Turns reconstructed layers into probabilities of a cell, by an increasing function for each layer.

    A layer is divided by its mean first, since gains differ from layer to layer. The function is the isotonic
    regression of the truth, so that more than one half means that most such pixels were cells.

    Parameters
    ----------
    layers : ndarray (N, L, P, P)
        Reconstructed layers.
    masks : ndarray (N, L, P, P)
        Where they hold cells.
    """

    def __init__(self, layers: Array, masks: npt.NDArray[np.uint8]) -> None:
        values, truth = (np.moveaxis(pictures, 1, 0) for pictures in (self._scaled(layers), masks))
        self._functions = [
            IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(value.ravel(), cells.ravel())
            for value, cells in zip(values, truth, strict=True)
        ]

    def __call__(self, layers: Array) -> Array:
        """Probabilities `(N, L, P, P)` of reconstructed `layers (N, L, P, P)`."""
        values = np.moveaxis(self._scaled(layers), 1, 0)
        chances = [
            function.predict(value.ravel()).reshape(value.shape)
            for function, value in zip(self._functions, values, strict=True)
        ]
        return np.stack(chances, 1).astype(np.float32)

    @staticmethod
    def _scaled(layers: Array) -> Array:
        mean = np.abs(layers).mean((-2, -1), keepdims=True)
        return layers / np.maximum(mean, np.finfo(np.float32).tiny)


def smoothed(layers: Array, sigma_px: float) -> Array:
    """Layers after a Gaussian filter of standard deviation `sigma_px` [pixels] in y and x."""
    return np.asarray(gaussian_filter(layers, (0, 0, sigma_px, sigma_px)))


@dataclass(frozen=True)
class Baseline:
    """A method with everything chosen.

    Parameters
    ----------
    method : str
        One of METHODS.
    parameters : mapping of str to float
        The method's parameters by name.
    smoothing_px : float
        Standard deviation of a Gaussian filter behind the method [pixels].
    finish : callable
        Turns layers into the output of the task: a calibration, or nothing for pictures.
    error : float
        Error on the validation samples, between 0 and 1.
    """

    method: str
    parameters: Mapping[str, float]
    smoothing_px: float
    finish: Callable[[Array], Array]
    error: float

    def __call__(self, stacks: Stacks) -> Array:
        """The output `(N, L, P, P)` for the pictures of stacks."""
        log.info("%s %s of %d samples", self.method, self.parameters or "", len(stacks.sensors))
        return self.finish(smoothed(stacks.reconstruct(self.method, self.parameters), self.smoothing_px))


def choose(
    stacks: Stacks,
    truth: npt.NDArray[np.float32 | np.uint8],
    task: str,
    method: str,
    parameters: Mapping[str, Sequence[float]],
    smoothings_px: Sequence[float],
) -> Baseline:
    """Choose what a method leaves open by the least error on validation samples.

    Parameters
    ----------
    stacks : Stacks
        Pictures of the validation samples.
    truth : ndarray (N, L, P, P)
        Layers for task image, masks for task masks.
    task : str
        The error to make least: image, the normalised error of pictures; masks, the error rate of calibrated layers.
    method : str
        One of METHODS.
    parameters : mapping of str to sequence of float
        Candidates for each parameter of the method; every combination is tried.
    smoothings_px : sequence of float
        Candidates for the Gaussian filter behind it [pixels].

    Returns
    -------
    Baseline
        The best candidate.
    """
    candidates = []
    for chosen in ParameterGrid(dict(parameters)):
        layers = stacks.reconstruct(method, chosen)
        for smoothing_px in smoothings_px:
            finish, error = JUDGES[task](smoothed(layers, smoothing_px), truth)
            log.info("%s %s, smoothing %g px: error %.2f %%", method, chosen or "", smoothing_px, 100 * error)
            candidates.append(Baseline(method, chosen, smoothing_px, finish, error))
    return min(candidates, key=lambda candidate: candidate.error)


def _judge_pictures(layers: Array, truth: Array) -> tuple[Callable[[Array], Array], float]:
    return np.asarray, float(measures.mean_defined(measures.normalised_error(layers, truth).ravel()))


def _judge_masks(layers: Array, truth: npt.NDArray[np.uint8]) -> tuple[Callable[[Array], Array], float]:
    calibration = Calibration(layers, truth)
    called = calibration(layers) > measures.CELL_THRESHOLD
    return calibration, float(measures.Confusion.of(called, truth > 0).error.mean())


JUDGES: dict[str, Callable[..., tuple[Callable[[Array], Array], float]]] = {
    "image": _judge_pictures,
    "masks": _judge_masks,
}
