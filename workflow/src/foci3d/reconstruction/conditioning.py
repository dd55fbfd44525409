r"""What a real sensor adds to the light of the cells, found in the measurement itself and removed: defects and offsets.

**Defects.** Through the optics, a source lights the pixels beside the one below it, too: at least as much as from a
height of one pixel pitch. A pixel is hot if it is an outlier among its neighbours and these lack that light. A single
cell that is smaller than a pixel and closer to the sensor looks like a hot pixel. Rows, columns and pixels far darker
than their neighbours are dead.

**Offsets.** Light that is even over a sensor, such as autofluorescence or a dark level, is a further unknown beside
non-negative layers, on planes at all depths. Even light in the layers falls off at the edges of the measurement, an
offset does not. Layers with bright rims would explain an offset as well, so the fit starts from the largest offset that
the measurement allows, and what it finds includes a share :math:`\beta` of the light of the specimen itself. The
estimate is :math:`o = (\hat o - \beta \bar y) / (1 - \beta)` of the fitted :math:`\hat o` and the mean :math:`\bar y`.
It is subtracted only if it exceeds what :math:`\beta` varies by among specimens; else the measurement does not
determine it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn import functional

from foci3d.classical.nonnegative import fit_nonnegative
from foci3d.config.models import ConditioningConfig
from foci3d.learning.model import Model
from foci3d.optics.forward import ForwardModel
from foci3d.reconstruction.imager_correction import ImagerCorrection

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

N_PLANES = 5
N_ITERATIONS = 150
OFFSET_NORM = 3.0
"""Planes of the fit from sensor to sensor, its iterations, and the norm of an offset; see `fit_nonnegative`."""

EVEN_SHARE = 0.22
EVEN_SHARE_SD = 0.05
"""Share of a specimen's light that is fitted as an offset: mean for scenes of the paper, and its spread."""

MIN_DEVIATIONS = 4.0
"""Standard deviations by which an offset must differ from none."""

OUTLIER_SDS = 6.0
"""Robust standard deviations of the logarithm of a pixel's ratio to its neighbours beyond which it is an outlier."""

MIN_HOT_LOG_RATIO, MIN_DEAD_LOG_RATIO, MIN_DEAD_LINE_LOG_RATIO = 0.2, 1.1, 0.5
MIN_HOT_EXCESS = 0.25
"""Least logarithms of these ratios, and least excess of a hot pixel over its neighbours [mean of the image]."""

MAX_DEFECTS = 0.05
"""Share of the pixels above which outliers are structure and not defects."""

NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
SIDES = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) / 4
RING = np.pad(np.zeros((3, 3), bool), 1, constant_values=True)


@dataclass(frozen=True)
class Conditioning:
    """What was found and removed.

    Parameters
    ----------
    offsets : tuple of S floats
        Subtracted from the images of each sensor [unit of the images]; 0 where none was determined.
    offset_sd : float
        Standard deviation of each [unit of the images]; NaN if none was fitted.
    n_defects : tuple of S ints
        Pixels of each sensor that were filled in.
    note : str
        Why an offset was not fitted or not subtracted.
    variants : tuple of ndarrays (T, S, Y, X)
        The measurements with one of the corrections changed by its standard error each.
    """

    offsets: tuple[float, ...]
    offset_sd: float
    n_defects: tuple[int, ...]
    note: str = ""
    variants: tuple[Floats, ...] = ()

    def columns(self) -> dict[str, float | int | str]:
        """Columns of ``quality.csv``: offset_a, offset_b, offset_sd, defects_a, defects_b, conditioning."""
        names = "ab"[: len(self.offsets)]
        offsets = {f"offset_{name}": value for name, value in zip(names, self.offsets, strict=True)}
        defects = {f"defects_{name}": value for name, value in zip(names, self.n_defects, strict=True)}
        return {**offsets, "offset_sd": self.offset_sd, **defects, "conditioning": self.note}

    def __str__(self) -> str:
        """The conditioning in one line."""
        parts = []
        if any(self.offsets):
            values = ", ".join(f"{value:.3g}" for value in self.offsets)
            parts.append(f"offsets {values} ± {self.offset_sd:.2g} subtracted")
        if any(self.n_defects):
            parts.append(f"{', '.join(map(str, self.n_defects))} defective pixels filled in")
        return "; ".join([*parts, *([self.note] if self.note else [])])


def condition(
    values: Floats,
    model: Model,
    config: ConditioningConfig = ConditioningConfig(),
    *,
    imager: ImagerCorrection | None = None,
    defects: Mask | None = None,
) -> tuple[Floats, Conditioning]:
    """Remove defects, the deviations of the imager, and offsets from the measurements of an acquisition.

    Parameters
    ----------
    values : ndarray (T, S, Y, X)
        Measurements of T frames, linear in light.
    model : Model
        The model that is to reconstruct them, with the point-spread function of the imager.
    config : ConditioningConfig
        Which corrections to make.
    imager : ImagerCorrection, optional
        Deviations of the imager from its description.
    defects : ndarray (S, Y, X), optional
        Pixels that are known to be defective.

    Returns
    -------
    ndarray (T, S, Y, X), Conditioning
        Measurements, and what was removed. What the measurement does not determine is left as it is.
    """
    n_sensors = values.shape[1]
    found = np.zeros(values.shape[1:], bool) if defects is None else defects.copy()
    if config.defects:
        found |= find_defects(values, model)
    filled = fill_defects(values, found) if found.any() else values
    aligned = filled if imager is None else imager.apply(filled).astype(np.float32)
    problem = _why_no_offset(aligned, model) if config.offset else ""
    offsets, sd, note = np.zeros(n_sensors), float("nan"), problem
    if config.offset and not problem:
        offsets, sd = estimate_offsets(aligned.mean(0), model.forward_model)
        determined = offsets > MIN_DEVIATIONS * sd
        offsets, note = np.where(determined, offsets, 0.0), "" if determined.any() else "no offset is determined"
    conditioned = aligned - offsets.astype(np.float32)[:, None, None] if offsets.any() else aligned
    # The share of the specimen's light, which is not known well, is that of both sensors.
    changes = np.where(offsets > 0, sd, 0).astype(np.float32)[:, None, None]
    variants = [conditioned - changes] if offsets.any() else []
    for other, interpolation in imager.alternatives() if imager else ():
        variants.append(conditioned + (other.apply(filled, interpolation) - aligned).astype(np.float32))
    n_defects = tuple(int(mask.sum()) for mask in found)
    return conditioned, Conditioning(tuple(offsets.tolist()), sd, n_defects, note, tuple(variants))


def _why_no_offset(values: Floats, model: Model) -> str:
    """Why offsets cannot be fitted; empty if they can."""
    size = model.description.n_pixels
    if model.psf is None:
        return "offset not fitted: it needs the point-spread function"
    if values.shape[1] == 1:
        return "offset not fitted: one sensor does not determine it"
    if values.shape[2:] != (size, size):
        return f"offset not fitted: the field is larger than {size} x {size} pixels"
    return ""


def estimate_offsets(measurement: Floats, forward: ForwardModel) -> tuple[npt.NDArray[np.float64], float]:
    """Estimate the offset of each sensor.

    Parameters
    ----------
    measurement : ndarray (S, P, P)
        Images of both sensors.
    forward : ForwardModel
        The imager.

    Returns
    -------
    ndarray (S,), float
        Offsets, and the standard deviation of each, in the unit of the measurement.
    """
    means = measurement.mean((1, 2), dtype=float)
    images = torch.from_numpy(measurement / measurement.mean())[None]
    planes = torch.linspace(0, forward.sensor_separation_um, N_PLANES)[None]
    darkest = functional.avg_pool2d(images, 3, 1).amin((-2, -1)).clamp(min=0)
    _, fitted = fit_nonnegative(images, forward.at(planes), N_ITERATIONS, offset_norm=OFFSET_NORM, start=darkest)
    offsets = (fitted[0].double().numpy() * measurement.mean() - EVEN_SHARE * means) / (1 - EVEN_SHARE)
    light = float((means - offsets.clip(0)).mean())
    return offsets, EVEN_SHARE_SD * light


def find_defects(values: Floats, model: Model) -> Mask:
    """Pixels `(S, Y, X)` that no light through the optics explains, in the mean of frames `(T, S, Y, X)`."""
    ratio = _narrowest_ratio(model)
    found = [_defects(image.clip(0), ratio) for image in values.mean(0, dtype=float)]
    return np.array([mask if mask.mean() <= MAX_DEFECTS else np.zeros_like(mask) for mask in found])


def _defects(image: npt.NDArray[np.float64], narrowest_ratio: float) -> Mask:
    """Defects of an image `(Y, X)` without negative values."""
    mean = image.mean()
    light = image + 0.05 * mean
    lines = np.zeros(light.shape, bool)
    lines[:, _dead_columns(light)] = True
    lines[_dead_columns(light.T)] = True
    median = ndimage.median_filter(light, footprint=NEIGHBOURS)
    deviation = np.log(light / median)
    scatter = 1.4826 * np.maximum(ndimage.median_filter(abs(deviation), 7), np.median(abs(deviation)))
    excess = light - ndimage.median_filter(light, footprint=RING)
    excess_beside = ndimage.convolve(light, SIDES) - light + excess
    hot = (deviation > np.maximum(OUTLIER_SDS * scatter, MIN_HOT_LOG_RATIO)) & (light - median > MIN_HOT_EXCESS * mean)
    hot &= excess_beside < narrowest_ratio / 2 * excess
    dead = (deviation < -np.maximum(OUTLIER_SDS * scatter, MIN_DEAD_LOG_RATIO)) & (median > mean / 2)
    return lines | ((hot | dead) & ~ndimage.binary_dilation(lines))


def _dead_columns(light: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Columns `(X,)` of `light (Y, X)` that are far from what their neighbours predict in most pixels."""
    predicted = np.empty_like(light)
    predicted[:, 1:-1] = (light[:, :-2] + light[:, 2:]) / 2
    for edge, beside, next_but_one in ((0, 1, 2), (-1, -2, -3)):
        predicted[:, edge] = np.maximum(2 * light[:, beside] - light[:, next_but_one], light[:, beside] / 2)
    deviation = np.median(np.log(light / predicted), 0)
    limit = max(OUTLIER_SDS * 1.4826 * float(np.median(abs(deviation))), MIN_DEAD_LINE_LOG_RATIO)
    return deviation < -limit


def _narrowest_ratio(model: Model) -> float:
    """Light of a source one pixel pitch above the sensor in a pixel beside the one below it, relative to that."""
    if model.psf is None:
        return 0.1
    kernel = model.psf.interpolate(torch.tensor(max(model.pixel_pitch_um, float(model.psf.depths_um[0]))))
    middle = len(kernel) // 2
    return float(kernel[middle, middle + 1] / kernel[middle, middle])


def fill_defects(values: Floats, defects: Mask) -> Floats:
    """Measurements `(T, S, Y, X)` with the pixels of `defects (S, Y, X)` replaced by a smooth surface around them."""
    filled = values.copy()
    for sensor, mask in enumerate(defects):
        for frame in filled[:, sensor]:
            weights = ndimage.gaussian_filter((~mask).astype(np.float32), 1.0)
            smooth = ndimage.gaussian_filter(np.where(mask, 0, frame), 1.0) / np.maximum(weights, 1e-6)
            frame[mask] = smooth[mask]
    return filled
