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

from dataclasses import dataclass, replace

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

MIN_WEIGHT = 1e-6
"""Sum of the weights of the valid pixels above which their weighted mean is defined."""

NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
SIDES = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) / 4
RING = np.pad(np.zeros((3, 3), bool), 1, constant_values=True)


@dataclass(frozen=True)
class Conditioning:
    """What is removed from the measurements of an acquisition.

    Parameters
    ----------
    offsets : tuple of S floats
        Subtracted from the images of each sensor [unit of the images]; 0 where none was determined.
    offset_sd : float
        Standard deviation of each [unit of the images]; NaN if none was fitted.
    defects : ndarray (S, Y, X)
        Pixels of each sensor that are filled in.
    note : str
        Why an offset was not fitted or not subtracted.
    imager : ImagerCorrection, optional
        Deviations of the imager from its description.
    """

    offsets: tuple[float, ...]
    offset_sd: float
    defects: Mask
    note: str = ""
    imager: ImagerCorrection | None = None

    @property
    def n_defects(self) -> tuple[int, ...]:
        """Pixels of each sensor that are filled in."""
        return tuple(int(mask.sum()) for mask in self.defects)

    def apply(self, measurement: Floats) -> Floats:
        """A `measurement (S, Y, X)` without defects, deviations and offsets."""
        return self._correct(measurement)[1]

    def apply_with_variants(self, measurement: Floats) -> tuple[Floats, ...]:
        """What `apply` gives, and that with one of the corrections changed by its standard error each."""
        filled, corrected = self._correct(measurement)
        # The share of the specimen's light, which is not known well, is that of both sensors.
        changes = np.where(np.array(self.offsets) > 0, self.offset_sd, 0).astype(np.float32)[:, None, None]
        variants = [corrected - changes] if any(self.offsets) else []
        if self.imager:
            aligned = self.imager.apply(filled)
            for other, interpolation in self.imager.alternatives():
                variants.append(corrected + (other.apply(filled, interpolation) - aligned).astype(np.float32))
        return corrected, *variants

    def _correct(self, measurement: Floats) -> tuple[Floats, Floats]:
        """A `measurement (S, Y, X)` without defects, and as `apply` gives it."""
        filled = fill_defects(measurement, self.defects) if self.defects.any() else measurement
        aligned = self.imager.apply(filled).astype(np.float32) if self.imager else filled
        return filled, aligned - np.array(self.offsets, np.float32)[:, None, None] if any(self.offsets) else aligned

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


def find_conditioning(
    measurement: Floats,
    model: Model,
    config: ConditioningConfig = ConditioningConfig(),
    *,
    imager: ImagerCorrection | None = None,
    defects: Mask | None = None,
) -> Conditioning:
    """Find defects and offsets of the sensors in a measurement.

    Parameters
    ----------
    measurement : ndarray (S, Y, X)
        Images of the sensors, linear in light: of a series, the mean over its frames.
    model : Model
        The model that is to reconstruct them, with the point-spread function of the imager.
    config : ConditioningConfig
        Which corrections to make.
    imager : ImagerCorrection, optional
        Deviations of the imager from its description, which are corrected before offsets are fitted.
    defects : ndarray (S, Y, X), optional
        Pixels that are known to be defective.

    Returns
    -------
    Conditioning
        What is to be removed. What the measurement does not determine is left as it is.
    """
    found = np.zeros(measurement.shape, bool) if defects is None else defects.copy()
    if config.defects:
        found |= find_defects(measurement, model)
    without_offsets = Conditioning((0.0,) * len(measurement), float("nan"), found, imager=imager)
    note = _why_no_offset(measurement, model) if config.offset else ""
    if not config.offset or note:
        return replace(without_offsets, note=note)
    offsets, sd = estimate_offsets(without_offsets.apply(measurement), model.forward_model)
    determined = offsets > MIN_DEVIATIONS * sd
    note = "" if determined.any() else "no offset is determined"
    return replace(without_offsets, offsets=tuple(np.where(determined, offsets, 0.0).tolist()), offset_sd=sd, note=note)


def _why_no_offset(measurement: Floats, model: Model) -> str:
    """Why offsets cannot be fitted to a `measurement (S, Y, X)`; empty if they can."""
    size = model.description.n_pixels
    if model.psf is None:
        return "offset not fitted: it needs the point-spread function"
    if len(measurement) == 1:
        return "offset not fitted: one sensor does not determine it"
    if measurement.shape[1:] != (size, size):
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
    operator = forward.at(planes, clamp=True)  # a measured point-spread function need not start at the sensor
    _, fitted = fit_nonnegative(images, operator, N_ITERATIONS, offset_norm=OFFSET_NORM, start=darkest)
    offsets = (fitted[0].double().numpy() * measurement.mean() - EVEN_SHARE * means) / (1 - EVEN_SHARE)
    light = float((means - offsets.clip(0)).mean())
    return offsets, EVEN_SHARE_SD * light


def find_defects(measurement: Floats, model: Model) -> Mask:
    """Pixels `(S, Y, X)` that no light through the optics explains."""
    ratio = _narrowest_ratio(model)
    found = [_defects(image.astype(float).clip(0), ratio) for image in measurement]
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


def fill_defects(measurement: Floats, defects: Mask) -> Floats:
    """A `measurement (S, Y, X)` with the pixels of `defects (S, Y, X)` replaced by a smooth surface around them.

    The surface is the mean of the valid pixels with the weights of a Gaussian of one pixel, which reaches four pixels
    far. Deeper inside a large defect, it continues with its value at the nearest pixel that it reaches. An image
    without valid pixels is left as it is.
    """
    filled = measurement.copy()
    for image, mask in zip(filled, defects, strict=True):
        if not mask.all():
            image[mask] = _smooth_surface(image, ~mask)[mask]
    return filled


def _smooth_surface(image: Floats, valid: Mask) -> Floats:
    """Surface `(Y, X)` through the valid pixels of an image; see `fill_defects`."""
    weights = ndimage.gaussian_filter(valid.astype(np.float32), 1.0)
    is_reached = weights > MIN_WEIGHT
    light = ndimage.gaussian_filter(np.where(valid, image, 0), 1.0)
    surface = np.divide(light, weights, out=np.zeros_like(light), where=is_reached)
    nearest = ndimage.distance_transform_edt(~is_reached, return_distances=False, return_indices=True)
    return surface[tuple(nearest)]
