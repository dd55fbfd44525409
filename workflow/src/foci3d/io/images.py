"""A user's acquisitions, read and checked."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from foci3d.config.fields import UnusableFrames
from foci3d.config.samples import Acquisition, Fluorophore
from foci3d.errors import InputError
from foci3d.io.image_file import format_shape, require_pitch, select_frames
from foci3d.io.image_formats import read_image_file
from foci3d.io.matlab import MEASUREMENT

MAX_SHARE_OF_MAXIMUM = 0.01
"""Share of the pixels at exactly the largest value above which an image counts as saturated."""

MIN_FLAT_FIELD = 0.05
"""Sensitivity of a pixel, relative to the mean, below which a flat image cannot correct it."""

MAX_DEFECTS = 0.05
"""Share of the pixels up to which they are defects of a sensor."""

MIN_HOT_EXCESS = 0.25
"""Excess of a pixel of a dark image over its neighbours, relative to the mean light, above which it is hot."""

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measurements:
    """Images that the sensors recorded of one specimen, corrected for dark and flat images.

    Parameters
    ----------
    values : ndarray (T, S, Y, X), float32
        Readings of each usable frame and sensor, proportional to the light, all in the orientation of sensor A. Their
        unit is that of the files, and does not matter: networks divide by the mean.
    frame_interval_s : float, optional
        Time between frames, if it is known [s].
    skipped : mapping of int to str
        Number (from 0) of each frame that is not usable and left out, and why.
    defects : ndarray (S, Y, X)
        Pixels that are defective by the given mask, hot in the dark image or dead in the flat image.
    """

    values: Floats
    frame_interval_s: float | None
    skipped: Mapping[int, str]
    defects: Mask


def read_measurements(
    source: Acquisition | Fluorophore, min_pixels: int, unusable_frames: UnusableFrames = "skip"
) -> Measurements:
    """Read the images of an acquisition, or unmix a fluorophore from those of its channels.

    Raises
    ------
    InputError
        As `read_acquisition`, or if the channels of a fluorophore differ in shape, or none of its frames has light.
    """
    if isinstance(source, Acquisition):
        return read_acquisition(source, min_pixels, unusable_frames)
    parts = [read_acquisition(each, min_pixels, unusable_frames) for each in source.channels]
    shapes = {(len(part.values) + len(part.skipped), *part.values.shape[1:]) for part in parts}
    if len(shapes) > 1:
        raise InputError(
            f"sample {source.acquisition.sample}: the channels have {' and '.join(map(format_shape, sorted(shapes)))} "
            "(frames x sensors x y x x); expected images of one shape, to unmix them. Crop or split them."
        )
    skipped = {number: reason for part in parts for number, reason in part.skipped.items()}
    numbers = np.setdiff1d(np.arange(len(parts[0].values) + len(parts[0].skipped)), [*skipped])
    light = [part.values[np.searchsorted(_usable_numbers(part), numbers)] for part in parts]
    values = np.tensordot(np.array(source.weights, np.float32), np.stack(light), 1)
    has_light = values.mean((1, 2, 3), dtype=float) > 0
    dark = f"{source.name}: no light is left after unmixing"
    if not has_light.any():
        raise InputError(f"{dark}; expected some in a frame. Correct the matrix, or leave the fluorophore out.")
    skipped |= dict.fromkeys(numbers[~has_light].tolist(), dark)
    defects = np.any([part.defects for part in parts], 0)
    return Measurements(values[has_light], parts[0].frame_interval_s, dict(sorted(skipped.items())), defects)


def require_own_images(acquisitions: Iterable[Acquisition]) -> None:
    """Raise InputError where channels of a sample name the same file, and it does not hold several channels.

    The channels of a file of both sensors are these sensors.
    """
    rows = [each for each in acquisitions if each.channel]
    of_both = {each.sensor_a for each in rows if each.sensor_a == each.sensor_b}
    named = Counter((each.sample, location) for each in rows for location in dict.fromkeys(each.sensors))
    for (sample, location), n_channels in named.items():
        if n_channels == 1:
            continue
        file = read_image_file(location)
        if location in of_both or "C" not in file.axes or file.values.shape[file.axes.index("C")] < 2:
            raise InputError(
                f"{location}: found one channel with the axes {' '.join(file.axes)}; expected several, as {n_channels} "
                f"channels of sample {sample} are in it. Name a file for each channel."
            )


def _usable_numbers(part: Measurements) -> npt.NDArray[np.integer]:
    return np.setdiff1d(np.arange(len(part.values) + len(part.skipped)), [*part.skipped])


def read_acquisition(
    acquisition: Acquisition, min_pixels: int, unusable_frames: UnusableFrames = "skip"
) -> Measurements:
    """Read the images of an acquisition.

    Parameters
    ----------
    acquisition : Acquisition
        Row of the table of samples. One file may hold both sensors, as two channels, or the images of one sensor in
        several channels, of which the row names one.
    min_pixels : int
        Pixels in y and in x that an image needs at least.
    unusable_frames : {"skip", "refuse"}
        What to do with frames of a series that have values that are not finite, no contrast, saturated pixels or no
        light above the dark image: leave them out and log each, or refuse the series. One of which more than half of
        the frames are unusable is always refused.

    Returns
    -------
    Measurements
        The images, each (frame - dark) / (flat - dark) with a flat field of mean 1, and that of a mirrored sensor B
        mirrored back in x.

    Raises
    ------
    InputError
        If a file cannot be read; if an image is too small, has colours or is not usable; or if images differ in shape,
        number or pixel pitch.
    """
    shared = acquisition.sensor_a == acquisition.sensor_b
    sensors, masks, intervals_s, unusable = [], [], [], dict[int, str]()
    for letter, path in zip("ab", acquisition.sensors, strict=False):
        file = read_image_file(path, MEASUREMENT.format(letter.upper()))
        require_pitch(path, file, acquisition.pixel_pitch_um, "column pixel_pitch_um")
        frames = select_frames(path, file, "ab".index(letter) if shared else acquisition.channel)
        _check_type(path, frames, min_pixels)
        dark, flat, given = (getattr(acquisition, f"{kind}_{letter}") for kind in ("dark", "flat", "defects"))
        recorded, (frames, defects) = frames, _correct(frames, dark, flat, acquisition.channel)
        if given:
            defects |= _read_defects(given, defects.shape)
        unusable = {**dict(_find_unusable(path, recorded, frames, dark)), **unusable}
        is_mirrored = letter == "b" and acquisition.mirrored == "yes"
        sensors.append(frames[..., ::-1] if is_mirrored else frames)
        masks.append(defects[:, ::-1] if is_mirrored else defects)
        intervals_s.append(file.frame_interval_s)
        if sensors[-1].shape != sensors[0].shape:
            raise InputError(
                f"{path}: found {format_shape(sensors[-1].shape)} (frames x y x x), but "
                f"{format_shape(sensors[0].shape)} in sensor_a of sample {acquisition.sample}; expected images of "
                "one specimen at the same times. Crop or split them."
            )
    values = np.stack(sensors, 1)
    _report_unusable(unusable, len(values), unusable_frames)
    usable = np.delete(values, [*unusable], 0) if unusable else values
    interval_s = acquisition.frame_interval_s or intervals_s[0]
    return Measurements(usable, interval_s, dict(sorted(unusable.items())), np.stack(masks))


def _report_unusable(unusable: Mapping[int, str], n_frames: int, choice: UnusableFrames) -> None:
    """Log the frames that are skipped, or raise InputError."""
    if not unusable:
        return
    first = unusable[min(unusable)]
    if n_frames == 1:
        raise InputError(f"{first}.")
    if choice == "refuse" or len(unusable) > n_frames / 2:
        raise InputError(
            f"{first}; in all, {len(unusable)} of {n_frames} frames are unusable. Remove them, or record again."
        )
    for number in sorted(unusable):
        log.warning("%s; the frame is skipped", unusable[number])


def _check_type(path: str, frames: npt.NDArray[Any], min_pixels: int) -> None:
    if frames.dtype.kind not in "uif":
        raise InputError(
            f"{path}: the type of the values is {frames.dtype}; expected integers or real numbers. Export it again."
        )
    if min(frames.shape[1:]) < min_pixels:
        raise InputError(
            f"{path}: the image has {format_shape(frames.shape[1:])} pixels; expected at least {min_pixels} x "
            f"{min_pixels}, the pixels of the imager. Record a larger field, or train networks for smaller ones "
            "(imager.n_pixels)."
        )


def _find_unusable(path: str, recorded: npt.NDArray[Any], corrected: Floats, dark: str) -> Iterator[tuple[int, str]]:
    """Number of each frame that is not usable, and what is wrong with it."""
    means = corrected.mean((1, 2), dtype=float)
    for number, frame in enumerate(recorded):
        problem = _find_problem(frame)
        if not problem and means[number] <= 0:
            without, remedy = (
                (" without the dark image", "more light than in the dark image") if dark else ("", "light")
            )
            problem = f"the mean{without} is {means[number]:.3g}; expected {remedy}. Check the files"
        if problem:
            yield number, f"{path}: {f'frame {number}: ' if len(recorded) > 1 else ''}{problem}"


def _find_problem(image: npt.NDArray[Any]) -> str:
    """What is wrong with the values of an image; empty if nothing is."""
    with np.errstate(over="ignore"):
        n_bad = image.size - np.isfinite(image.astype(np.float32)).sum()
    if n_bad:
        return f"{n_bad} pixels are not finite in 32 bits; expected a number in every pixel. Replace them"
    if image.min() == image.max():
        return f"every pixel is {image.min()}; expected an image with contrast. Check the acquisition"
    share = (image == image.max()).mean()
    if share > MAX_SHARE_OF_MAXIMUM:
        return f"{share:.0%} of the pixels have the largest value; expected no saturated pixels. Reduce the exposure"
    return ""


def _correct(frames: npt.NDArray[Any], dark_path: str, flat_path: str, channel: str) -> tuple[Floats, Mask]:
    """Frames of a channel without the offset of a dark image and the pattern of a flat image: means over their frames.

    Also the pixels `(Y, X)` that these show to be hot or dead.
    """
    with np.errstate(over="ignore"):
        images = frames.astype(np.float32)
    dark = _read_reference(dark_path, images.shape[1:], channel) if dark_path else np.zeros(images.shape[1:])
    images -= dark.astype(np.float32)
    is_finite = np.isfinite(images)  # frames with other values are left out later, and must not change this mean to NaN
    mean = images.mean(dtype=float, where=is_finite) if is_finite.any() else 0.0
    hot = dark - ndimage.median_filter(dark, 5) > MIN_HOT_EXCESS * abs(mean)
    defects = hot if dark_path and hot.mean() <= MAX_DEFECTS else np.zeros_like(hot)
    if flat_path:
        flat = _read_reference(flat_path, images.shape[1:], channel) - dark
        dead = flat <= MIN_FLAT_FIELD * flat.mean()
        if flat.mean() <= 0 or dead.mean() > MAX_DEFECTS:
            raise InputError(
                f"{flat_path}: {dead.sum()} pixels of the flat image are hardly brighter than the dark image; expected "
                f"an even field in all but {MAX_DEFECTS:.0%} of the pixels. Record it again, or leave it out."
            )
        images /= np.where(dead, 1, flat / flat.mean()).astype(np.float32)
        defects = defects | dead
    return images, defects


def _read_defects(path: str, shape: tuple[int, ...]) -> Mask:
    """Mask `(Y, X)` of the pixels that are not 0 in an image."""
    defects = _read_reference(path, shape) != 0
    if defects.mean() > MAX_DEFECTS:
        raise InputError(
            f"{path}: {defects.mean():.0%} of the pixels are not 0; expected values other than 0 only in defective "
            f"pixels, up to {MAX_DEFECTS:.0%}. Correct the mask."
        )
    return defects


def _read_reference(path: str, shape: tuple[int, ...], channel: str = "") -> npt.NDArray[np.float64]:
    """Mean `(Y, X)` over the frames of a dark or flat image, or of a mask; of one channel if it has several."""
    frames = select_frames(path, read_image_file(path), channel)
    if frames.shape[1:] != shape or not np.isfinite(frames).all():
        raise InputError(
            f"{path}: found {format_shape(frames.shape)} (frames x y x x); expected finite values in "
            f"{format_shape(shape)} pixels, those of the images that it corrects. Record it with the same region."
        )
    return frames.mean(0, dtype=np.float64)
