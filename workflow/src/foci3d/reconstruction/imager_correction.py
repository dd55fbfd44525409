"""What distinguishes a real imager of two sensors from its description: the file that `foci3d align` writes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import AfterValidator, ValidationError
from scipy import ndimage

from foci3d.config.documents import read_document
from foci3d.config.fields import Positive, Section, key
from foci3d.errors import InputError
from foci3d.io.atomic import atomic_path
from foci3d.learning.model import Model, load_model
from foci3d.optics.psf import PSF


class Deviation(Section):
    """A value with its standard error, if that is known."""

    value: float
    standard_error: float | None = None


def _require_positive(factor: Deviation) -> Deviation:
    if not factor.value > 0:
        raise ValueError("expected a value above 0")
    return factor


Factor = Annotated[Deviation, AfterValidator(_require_positive)]

SplineOrder = Literal[1, 5]
SPLINE_ORDER: SplineOrder = 5
"""Of the interpolation of images of sensor B. Lower orders blur sharp cells, which then seem to be farther away."""

NONE, UNITY = Deviation(value=0.0), Deviation(value=1.0)


class ImagerCorrection(Section):
    """Offsets, gain, position and distance of the sensors of an imager, and the width of its point-spread function.

    Examples
    --------
    >>> imager = ImagerCorrection(gain_b=Deviation(value=0.5), offset_b=Deviation(value=1.0))
    >>> imager.apply(np.full((1, 2, 3, 3), 4.0))[0, :, 0, 0].tolist()
    [4.0, 6.0]
    """

    kind: Literal["foci3d-imager"] = "foci3d-imager"
    version: Literal[1] = 1
    n_acquisitions: int = key("acquisitions that it was fitted to", 0)
    offset_a: Deviation = key("even light and dark level of sensor A [unit of the images]", NONE)
    offset_b: Deviation = key("the same of sensor B", NONE)
    gain_b: Factor = key("gain of sensor B relative to sensor A", UNITY)
    shift_y_px: Deviation = key("pixel p of sensor B is at p + shift, about the middle of the field [pixels]", NONE)
    shift_x_px: Deviation = key("the same in x [pixels]", NONE)
    rotation_deg: Deviation = key("rotation of sensor B about the middle of the field, from x to y [degrees]", NONE)
    sensor_separation_um: Positive | None = key("distance between the sensors, if not that of the model [um]", None)
    psf_width: Factor = key("width of the point-spread function relative to that of its file", UNITY)
    distance_standard_error: float | None = key("relative standard error of separation or width", None)
    notes: tuple[str, ...] = key("what the acquisitions do not determine, or cannot tell apart", (), strict=False)

    def __str__(self) -> str:
        """The deviations in one line."""
        parts = []
        for name, description in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, Deviation) and value != description.default:
                error = "" if value.standard_error is None else f" ± {value.standard_error:.2g}"
                parts.append(f"{name} {value.value:.4g}{error}")
        if self.sensor_separation_um is not None:
            relative = self.distance_standard_error
            error = "" if relative is None else f" ± {relative * self.sensor_separation_um:.2g}"
            parts.append(f"sensor_separation_um {self.sensor_separation_um:.4g}{error}")
        return "; ".join([", ".join(parts), *self.notes])

    def apply(
        self, values: npt.NDArray[np.floating], interpolation: SplineOrder = SPLINE_ORDER
    ) -> npt.NDArray[np.floating]:
        """Measurements `(..., S, Y, X)` as an imager without these deviations records them, by splines of an order."""
        corrected = np.array(values)
        corrected[..., 0, :, :] -= self.offset_a.value
        if values.shape[-3] == 1:
            return corrected
        sensor_b = (corrected[..., 1, :, :] - self.offset_b.value) / self.gain_b.value
        corrected[..., 1, :, :] = self._register(sensor_b, interpolation)
        return corrected

    def alternatives(self) -> Iterator[tuple["ImagerCorrection", SplineOrder]]:
        """Corrections that are as plausible: each value larger by its standard error, and another interpolation."""
        for name in ("gain_b", "shift_y_px", "shift_x_px", "rotation_deg"):
            deviation: Deviation = getattr(self, name)
            if deviation.standard_error:
                other = Deviation(value=deviation.value + deviation.standard_error)
                yield self.model_copy(update={name: other}), SPLINE_ORDER
        if self.shift_y_px.value or self.shift_x_px.value or self.rotation_deg.value:
            yield self, 1

    def _register(self, images: npt.NDArray[np.floating], interpolation: SplineOrder) -> npt.NDArray[np.floating]:
        """Images `(..., Y, X)` of sensor B in the place of sensor A; beyond their edge, the nearest pixels."""
        shift, angle = np.array([self.shift_y_px.value, self.shift_x_px.value]), np.radians(self.rotation_deg.value)
        if not shift.any() and not angle:
            return images
        inverse = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = (np.array(images.shape[-2:]) - 1) / 2
        offset = middle - inverse @ (middle + shift)
        flat = images.reshape(-1, *images.shape[-2:])
        moved = [
            ndimage.affine_transform(image, inverse, offset, order=interpolation, mode="nearest") for image in flat
        ]
        return np.reshape(moved, images.shape).astype(images.dtype)

    def scale_psf(self, psf: PSF) -> PSF:
        """The point-spread function of the imager, from that of its file."""
        if self.psf_width.value == 1:
            return psf
        return replace(psf, depths_um=psf.depths_um / self.psf_width.value)

    def save(self, path: str | Path) -> None:
        """Write as YAML, with the meaning of each value as a comment."""
        lines = ["# Deviations of an imager from its description: foci3d reconstruct --imager takes this file."]
        for name, value in self.model_dump(mode="json").items():
            description = type(self).model_fields[name].description
            lines += [f"# {description}"] if description else []
            lines.append(yaml.safe_dump({name: value}, sort_keys=False, width=1000).strip())
        with atomic_path(path) as temporary:
            temporary.write_text("\n".join(lines) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If the file is missing, damaged or of another kind.
        """
        try:
            content = read_document(path).content
            if content.get("kind") != "foci3d-imager":
                raise InputError(f"{path}: not an imager file; expected what foci3d align writes. Choose another file.")
            return cls.model_validate(content)
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"]))
            message = (
                f"{path}: {place} is {problem['input']!r}: {problem['msg']}; correct it, or run foci3d align again."
            )
            raise InputError(message) from error


def load_corrected_model(
    path: str | Path, imager: ImagerCorrection | None, *, psf: str | Path | None = None, **options: Any
) -> Model:
    """Load a model for an imager with its deviations, if they are given; options as for `load_model`.

    A separation of the sensors among the deviations was measured, and takes the place of that of the options.

    Raises
    ------
    InputError
        As `load_model`, or if deviations are given without a point-spread function.
    """
    if imager is None:
        return load_model(path, psf=psf, **options)
    if psf is None:
        raise InputError("imager file: found no point-spread function; expected one, as for foci3d align. Add --psf.")
    if imager.sensor_separation_um is not None:
        options["sensor_separation_um"] = imager.sensor_separation_um
    return load_model(path, psf=imager.scale_psf(PSF.load(psf)), **options)
