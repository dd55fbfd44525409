r"""Whether a prediction explains its measurement: it is rendered again through the point-spread function.

A layer is taken as :math:`g_l p_l + b_l`, its predicted probability of cells with a gain and a background of at least 0
that fit the measurement best. Three statistics compare the rendered prediction with the measurement:

- the power of the residual in octaves of spatial frequency, for each sensor. The speckle inside the cells is not
  predicted, so the residual is never 0, but its spectrum varies little among samples like those of the training data;
- the relative error of the width of the point-spread function with which the prediction fits best. With two sensors,
  other depths cannot undo it: all distances would grow by a factor, but their sum is the separation of the sensors;
- the entropy of the prediction, which rises where layers cannot be distinguished.

`fit_reference` gives their distribution on validation samples, from which `consistency_scores` are the deviations.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from scipy.fft import dctn
from scipy.special import entr
from torch import Tensor

from foci3d.errors import InputError
from foci3d.evaluation.metrics import FloatArray
from foci3d.learning.recalibration import ConsistencyReference
from foci3d.optics.forward import ForwardModel, cosine_transform

BAND_EDGES = (0.0, 1 / 8, 1 / 4, 1 / 2, np.inf)
"""Edges of the bands of spatial frequency [Nyquist frequency of the sensor]."""

DEVIATIONS = (
    "the light is blurred otherwise than by the point-spread function",
    "the probabilities are less certain than on validation samples",
    "light remains that the layers do not explain",
)
"""What deviates, in words."""

N_PLANES = 5
"""Planes of even light from sensor to sensor."""

N_ITERATIONS = 3
DEPTH_STEP_UM = 15.0
"""Half the difference of distances behind a derivative [um]."""

MAX_STEP_UM = 60.0
"""Largest change of a depth in one iteration [um], within which rendering is nearly linear in depth."""

RIDGE = 1e-6
"""Added to the diagonal of normal equations, relative to its mean: backgrounds of far layers look alike."""

ROWS = 64
"""Rows of a field that are computed with together."""

BATCH_SIZE = 32


def fit_layers(rendered: Tensor, measurements: Tensor) -> tuple[Tensor, Tensor]:
    """Fit gains and backgrounds of layers to measurements.

    Parameters
    ----------
    rendered : Tensor (N, C, ...)
        What the sensors see of each layer, and of an even background in each layer, or linear features of that.
    measurements : Tensor (N, ...)
        The measurements, or the same features of them.

    Returns
    -------
    Tensor (N, C), Tensor (N, ...)
        Coefficients of at least 0, and the sum of `rendered` with them, which comes closest to the measurements;
        float64.
    """
    columns, values = rendered.flatten(2).double(), measurements.flatten(1).double()
    coefficients = _nonnegative_coefficients(columns @ columns.mT, columns @ values[..., None])
    return coefficients, (coefficients[:, None] @ columns).view(measurements.shape)


def _nonnegative_coefficients(gram: Tensor, products: Tensor) -> Tensor:
    """Least squares of at least 0, `(N, C)`, of C columns with the products `(N, C, C)` and `(N, C, 1)`, in float64."""
    from scipy.optimize import nnls  # slow to import, and whoever imports the public API may not need it

    ridge = RIDGE * gram.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None] * torch.eye(gram.shape[-1])
    factors = torch.linalg.cholesky(gram + ridge)
    reduced = torch.linalg.solve_triangular(factors, products, upper=False)[..., 0]
    pairs = zip(factors.mT.numpy(), reduced.numpy(), strict=True)
    return torch.from_numpy(np.stack([nnls(matrix, vector)[0] for matrix, vector in pairs]))


def _render(forward: ForwardModel, probabilities: Tensor, distances_um: Tensor) -> Tensor:
    """Each layer, then an even background in each, as the sensors see it, `(N, 2 L, S, P, P)`."""
    sources = (probabilities, torch.ones_like(probabilities))
    return torch.cat([forward.project_each(source, distances_um) for source in sources], 1)


def rerender(forward: ForwardModel, measurements: Tensor, probabilities: Tensor, depths_um: Tensor) -> Tensor:
    """The `measurements (N, S, P, P)` that `probabilities (N, L, P, P)` at `depths_um (N, L)` explain, float64."""
    return fit_layers(_render(forward, probabilities, forward.distances_um(depths_um)), measurements)[1]


def relative_residual(
    forward: ForwardModel,
    measurement: npt.NDArray[np.number],
    probability: npt.NDArray[np.floating],
    depths_um: npt.NDArray[np.floating],
) -> float:
    """Part of a measurement, of a field of any size, that a prediction leaves unexplained.

    Root mean square of the residual over the standard deviation of the `measurement (S, Y, X)` in any unit: 0 if the
    `probability (L, Y, X)` of a cell explains the measurement, 1 if it explains no more than the mean. Depths `(L,)` or
    maps of them `(L, Y, X)` [um] are those of `ForwardModel.project_field`, or NaN of layers that were not found.
    """
    cells = torch.from_numpy(np.ascontiguousarray(probability, np.float32))
    sources = torch.stack([cells, torch.ones_like(cells)])
    rendered = forward.project_field(sources, torch.from_numpy(fill_absent(forward, depths_um))).flatten(0, 1)
    values = torch.from_numpy(np.asarray(measurement / measurement.mean(), np.float32))
    gram, products = (torch.zeros(len(rendered), n, dtype=torch.float64) for n in (len(rendered), 1))
    for columns, rows in zip(rendered.split(ROWS, -2), values.split(ROWS, -2), strict=True):  # float64 takes memory
        part = columns.flatten(1).double()
        gram, products = gram + part @ part.mT, products + part @ rows.flatten().double()[:, None]
    coefficients = _nonnegative_coefficients(gram[None], products[None])[0]
    residual = values - torch.tensordot(coefficients.float(), rendered, 1)
    return float(residual.square().mean(dtype=torch.float64).sqrt() / values.double().std(correction=0))


def fill_absent(forward: ForwardModel, depths_um: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Depths [um] with the middle of the imager in place of NaN: without cells, a layer may be at any depth."""
    return np.nan_to_num(depths_um, nan=forward.sensor_separation_um / 2).astype(np.float32)


def weigh_frequencies(transformed: Tensor) -> Tensor:
    """Cosine transforms `(..., K, K)` weighted by the root of their frequency."""
    index = torch.arange(transformed.shape[-1], dtype=torch.float32)
    return transformed * (torch.hypot(index[:, None], index) + 0.1).sqrt()


def low_frequencies(images: Tensor) -> Tensor:
    """Cosine transform `(..., K, K)` of `images (..., P, P)` at low frequencies, weighted by the root of these."""
    transform = cosine_transform(images.shape[-1])
    return weigh_frequencies(transform @ images @ transform.mT)


@torch.inference_mode()
def low_frequency_residual(
    forward: ForwardModel,
    measurements: npt.NDArray[np.floating],
    probabilities: npt.NDArray[np.floating],
    depths_um: npt.NDArray[np.floating],
) -> FloatArray:
    """Root mean square `(N,)` of what predictions leave unexplained of the `low_frequencies` of measurements.

    Arrays as for `consistency_statistics`, but measurements are taken in their unit.
    """
    images, cells, depths = (
        torch.from_numpy(np.array(values, np.float32)) for values in (measurements, probabilities, depths_um)
    )
    seen = forward.low_frequencies.project_each(cells, forward.distances_um(depths))
    rendered = weigh_frequencies(torch.cat(seen, 1))
    values = low_frequencies(images)
    return np.asarray((values.double() - fit_layers(rendered, values)[1]).square().mean((1, 2, 3)).sqrt())


def shape_without_cells(forward: ForwardModel, measurement: npt.NDArray[np.floating]) -> float:
    """What even layers leave unexplained of a `measurement (S, P, P)` at low frequencies.

    In units of its mean above its darkest part, which an offset does not change: about 1 without cells.
    """
    mean = float(measurement.mean())
    darkest = min(ndimage.uniform_filter(image, 5).min() for image in measurement.astype(float))
    planes_um = np.linspace(0, forward.sensor_separation_um, N_PLANES)[None]
    no_cells = np.zeros((1, N_PLANES, *measurement.shape[1:]))
    residual = low_frequency_residual(forward, measurement[None] / mean, no_cells, planes_um)
    return float(residual[0] * mean / max(mean - darkest, 1e-6 * mean))


def width_errors(
    forward: ForwardModel, measurements: Tensor, probabilities: Tensor, depths_um: Tensor, depth_sds_um: Tensor
) -> Tensor:
    """Estimate by how much the real point-spread function is wider than that of `forward`.

    Gauss-Newton iterations over depths, gains and backgrounds on the low frequencies of a cosine transform; the width
    follows from the last one. Frequencies are weighted by their root, as residuals are larger at lower ones. The
    estimate is biased, because probabilities blur the borders of masks: compare it with that of other samples.

    Parameters
    ----------
    forward, measurements, probabilities
        The imager, and Tensors as for `rerender`; measurements in units of their mean.
    depths_um, depth_sds_um : Tensor (N, L)
        Depths of the layers before the measurement is seen, and their standard deviations [um].

    Returns
    -------
    Tensor (N,), float64
        Relative error: the real width minus that of `forward`, over the latter.
    """
    n_layers = probabilities.shape[1]
    prior = depth_sds_um.double() ** -2
    signs = torch.tensor([1.0, -1.0])[: forward.n_sensors, None, None]  # of a distance's change with depth
    current = depths_um.clone()

    def render(distances_um: Tensor) -> Tensor:
        seen = forward.low_frequencies.project_each(probabilities, distances_um)
        return weigh_frequencies(torch.cat(seen, 1))  # (N, 2 L, S, K, K)

    values = low_frequencies(measurements)
    for _ in range(N_ITERATIONS):
        distances_um = forward.distances_um(current)
        columns = render(distances_um)
        slopes = (render(distances_um + DEPTH_STEP_UM) - render(distances_um - DEPTH_STEP_UM)) / (2 * DEPTH_STEP_UM)
        coefficients, fitted = fit_layers(columns, values)
        weighted = coefficients[..., None, None, None] * slopes
        by_distance = weighted[:, :n_layers] + weighted[:, n_layers:]  # (N, L, S, K, K)
        by_width = (by_distance * distances_um.mT[..., None, None]).sum(1, keepdim=True)
        jacobian = torch.cat([by_width.flatten(2), (by_distance * signs).flatten(2), columns.flatten(2).double()], 1)
        residual = (values.double() - fitted).flatten(1)
        gradient = (jacobian @ residual[..., None])[..., 0]
        hessian = jacobian @ jacobian.mT
        variance = residual.square().mean(1, keepdim=True)
        gradient[:, 1 : 1 + n_layers] -= variance * prior * (current - depths_um)
        diagonal = hessian.diagonal(dim1=-2, dim2=-1)
        ridge = RIDGE * torch.where(diagonal > 0, diagonal, 1.0)  # 0 where a layer has no cells or is out of range
        ridge[:, 1 : 1 + n_layers] += variance * prior
        hessian = hessian + torch.diag_embed(ridge)
        at_this_width = torch.linalg.solve(hessian[:, 1:, 1:], gradient[:, 1:])[:, :n_layers].float()
        widths = torch.linalg.solve(hessian, gradient)[:, 0]
        current = current + at_this_width.clamp(-MAX_STEP_UM, MAX_STEP_UM)
    return widths


def residual_bands(measurements: Tensor, rendered: Tensor) -> FloatArray:
    """Logarithm of the mean power of the residual in each band of each sensor, `(N, S * bands)`."""
    power = dctn((measurements - rendered).numpy(), axes=(-2, -1), norm="ortho") ** 2
    index = np.arange(power.shape[-1]) / power.shape[-1]
    frequency = np.hypot(index[:, None], index)
    bands = [(frequency >= low) & (frequency < high) & (frequency > 0) for low, high in pairwise(BAND_EDGES)]
    means = np.stack([power[..., band].mean(-1) for band in bands], -1)
    return np.asarray(np.log(np.maximum(means, np.finfo(float).tiny)).reshape(len(power), -1))


@torch.inference_mode()
def consistency_statistics(
    forward: ForwardModel,
    measurements: npt.NDArray[Any],
    probabilities: npt.NDArray[Any],
    depths_um: npt.ArrayLike,
    depth_sds_um: npt.ArrayLike,
) -> FloatArray:
    """Statistics by which a prediction is compared with its measurement.

    Parameters
    ----------
    forward : ForwardModel
        The imager, on the CPU.
    measurements : ndarray (N, S, P, P)
        Measurements in any unit, with positive means.
    probabilities : ndarray (N, L, P, P)
        Predicted probabilities of a cell, as a network gives them.
    depths_um, depth_sds_um : array_like (L,) or (N, L)
        Depth of each layer with its standard deviation, as predicted or as in the training data [um].

    Returns
    -------
    ndarray (N, F)
        Width error, logarithm of the mean entropy, and `residual_bands`.
    """
    scaled = (measurements / measurements.mean((1, 2, 3), keepdims=True)).astype(np.float32)
    depths, sds = (
        torch.from_numpy(np.broadcast_to(values, probabilities.shape[:2]).astype(np.float32))
        for values in (depths_um, depth_sds_um)
    )
    results = []
    for first in range(0, len(scaled), BATCH_SIZE):
        batch = slice(first, first + BATCH_SIZE)
        images, cells = (torch.from_numpy(values[batch]).float() for values in (scaled, probabilities))
        widths = width_errors(forward, images, cells, depths[batch], sds[batch])
        entropy = (entr(cells.numpy()) + entr(1 - cells.numpy())).mean((1, 2, 3), dtype=float)
        bands = residual_bands(images, rerender(forward, images, cells, depths[batch]))
        results.append(np.column_stack([widths, np.log(np.maximum(entropy, np.finfo(float).tiny)), bands]))
    return np.concatenate(results)


def fit_reference(
    statistics: FloatArray, false_alarm_rate: float, *, only_excess: bool = False
) -> ConsistencyReference:
    """Fit to the `consistency_statistics (N, F)` of validation samples, of which a share is flagged.

    Where the number of layers varies, `only_excess` counts: few layers leave a small residual, and are as they should.
    """
    from sklearn.covariance import LedoitWolf  # slow to import, and whoever applies a model needs it not

    covariance = LedoitWolf().fit(statistics[:, 2:])
    reference = ConsistencyReference(
        width_mean=float(statistics[:, 0].mean()),
        band_means=tuple(covariance.location_.tolist()),
        band_precision=tuple(tuple(row) for row in covariance.precision_.tolist()),
        means=(0.0, 0.0, 0.0),
        sds=(1.0, 1.0, 1.0),
        threshold=0.0,
        only_excess=only_excess,
    )
    deviations = _deviations(reference, statistics)
    means, sds = (tuple(values.tolist()) for values in (deviations.mean(0), deviations.std(0)))
    reference = reference.model_copy(update={"means": means, "sds": sds})
    threshold = float(np.quantile(consistency_scores(reference, statistics).max(1), 1 - false_alarm_rate))
    return reference.model_copy(update={"threshold": threshold})


def consistency_scores(reference: ConsistencyReference, statistics: FloatArray) -> FloatArray:
    """Scores `(N, 3)` of samples with these `consistency_statistics (N, F)`, of which the largest counts.

    Three deviations, in the order of `DEVIATIONS`, in standard deviations above their means on validation samples.
    """
    return np.asarray((_deviations(reference, statistics) - reference.means) / reference.sds)


def _deviations(reference: ConsistencyReference, statistics: FloatArray) -> FloatArray:
    """Deviation of the width, log entropy, and log distance of the residual from that of validation, `(N, 3)`."""
    widths, entropies, bands = statistics[:, 0], statistics[:, 1], statistics[:, 2:]
    n_bands = bands.shape[1]
    if np.shape(reference.band_means) != (n_bands,) or np.shape(reference.band_precision) != (n_bands, n_bands):
        raise InputError(
            "the recalibration has another number of bands than the residual. Recalibrate the model again."
        )
    offsets = bands - np.array(reference.band_means)
    if reference.only_excess:
        offsets = np.maximum(offsets, 0)
    distances = np.einsum("ni,ij,nj->n", offsets, np.array(reference.band_precision), offsets)
    return np.column_stack([abs(widths - reference.width_mean), entropies, np.log1p(distances)])
