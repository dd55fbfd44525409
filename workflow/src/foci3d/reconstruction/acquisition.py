"""Reconstruction of an acquisition, an image or a time series of each sensor, in files: the one way for all callers."""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from foci3d.confidence.quality import Quality, quality_table
from foci3d.config.fields import Specimen, UnusableFrames
from foci3d.config.models import ConditioningConfig, TrackingConfig
from foci3d.config.samples import Acquisition, Fluorophore
from foci3d.evaluation.metrics import CELL_THRESHOLD
from foci3d.io.atomic import write_csv
from foci3d.io.images import read_measurements
from foci3d.io.progress import Progress, progress_log
from foci3d.io.roi_file import Region, write_rois
from foci3d.io.unmixing import CHANNEL
from foci3d.io.volume_file import FrameArray, Volume, write_volume
from foci3d.learning.model import Model
from foci3d.reconstruction.conditioning import Conditioning, find_conditioning
from foci3d.reconstruction.foci import round_foci
from foci3d.reconstruction.focus_depths import fit_depths
from foci3d.reconstruction.frame_store import FrameStore, describe_settings
from foci3d.reconstruction.imager_correction import ImagerCorrection
from foci3d.reconstruction.propagation import propagate_errors
from foci3d.reconstruction.resumable import ResumableModel
from foci3d.reconstruction.specimen import reconstruct_specimen
from foci3d.reconstruction.tracking import Tracks, join_frames
from foci3d.reconstruction.truth import Truth
from foci3d.reconstruction.volume import Reconstruction, outline_foci

log = logging.getLogger(__name__)

TILES = "tiles.csv"
"""Table of the tiles of a large field."""

RESUME_FOLDER = ".frames"
"""Folder, in that of the results, of what is reconstructed until all of it is written: frames, and tiles of a field."""


@dataclass(frozen=True)
class AcquisitionReconstruction:
    """A reconstructed acquisition.

    Parameters
    ----------
    frames : sequence of Reconstructions
        The reconstruction of each usable frame: in memory, or in a folder, from which it is read when it is used.
    frame_interval_s : float or None
        Time between frames, if it is known [s].
    tracks : Tracks or None
        Foci followed through the frames of a time series, if gates were given.
    skipped : mapping of int to str
        Number of each frame (from 0) that was not usable, and why. It keeps its time: its values in the volume are NaN.
    conditioning : Conditioning, optional
        What was found in the measurements and removed.
    name : str
        Name of the acquisition.
    channel : str
        Name of its channel, if it has several.
    truth : Truth, optional
        What frame 0 shows in truth, if that is known.
    """

    frames: Sequence[Reconstruction]
    frame_interval_s: float | None = None
    tracks: Tracks | None = None
    skipped: Mapping[int, str] = field(default_factory=dict)
    conditioning: Conditioning | None = None
    name: str = ""
    channel: str = ""
    truth: Truth | None = None

    @property
    def n_frames(self) -> int:
        """Frames with the skipped ones."""
        return len(self.frames) + len(self.skipped)

    @property
    def numbers(self) -> list[int]:
        """Number (from 0) of each of `frames` in the acquisition, where skipped ones count."""
        return _number_usable(self.n_frames, self.skipped)

    @property
    def truth_of_first(self) -> Truth | None:
        """What the first of `frames` shows in truth: nothing is known of it if frame 0 was skipped."""
        return None if 0 in self.skipped else self.truth

    def compare_with_truth(self) -> str:
        """How near frame 0 is to the truth, or why that is not known, in one line; empty without a truth."""
        if self.truth and 0 in self.skipped:
            return f"not compared with the truth: it is that of frame 0, which was skipped: {self.skipped[0]}"
        return self.truth.compare(self.frames[0]) if self.truth else ""

    def by_number(self) -> Iterator[Reconstruction | None]:
        """The reconstruction of each frame in turn, None for a skipped one."""
        usable = iter(self.frames)
        return (None if number in self.skipped else next(usable) for number in range(self.n_frames))

    @cached_property
    def foci(self) -> pd.DataFrame:
        """Foci of all frames, see `foci3d.reconstruction.foci.find_foci`, with the first column frame (from 0).

        Of an acquisition in several channels, the name of the channel comes first.
        """
        return self._name_channel(join_frames([frame.foci if frame else None for frame in self.by_number()]))

    @cached_property
    def quality(self) -> pd.DataFrame:
        """Quality of each frame, see `foci3d.confidence.quality.quality_table`, and `Conditioning.columns`.

        The column specimen has the kind of specimen of each frame; of a skipped one, it is empty.
        """
        reasons = {number: Quality(note=f"skipped: {reason}") for number, reason in self.skipped.items()}
        table = quality_table([frame.quality if frame else reasons[n] for n, frame in enumerate(self.by_number())])
        table.insert(1, "specimen", [frame.specimen if frame else "" for frame in self.by_number()])
        return self._name_channel(table.assign(**self.conditioning.columns()) if self.conditioning else table)

    @cached_property
    def tiles(self) -> pd.DataFrame:
        """Tiles of fields larger than the model's, as `Reconstruction.tiles`, with frame and flags (yes or no)."""
        tables = []
        for number, frame in enumerate(self.by_number()):
            if frame and len(frame.tiles):
                table = pd.DataFrame(frame.tiles, columns=["y_px", "x_px", "n_pixels", "score", "expected_error"])
                table = table.astype(dict.fromkeys(["y_px", "x_px", "n_pixels"], int))
                is_other, is_unsure = frame.quality.flag_tiles(frame.tiles)
                flags = {"out_of_distribution": is_other, "flagged": is_other | is_unsure}
                table = table.assign(**{name: np.where(values, "yes", "no") for name, values in flags.items()})
                table.insert(0, "frame", number)
                tables.append(table)
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def _name_channel(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table of the result with the column channel, if the acquisition has several."""
        if self.channel:
            table.insert(0, CHANNEL, self.channel)
        return table

    def save(self, folder: str | Path) -> None:
        """Write ``volume.ome.tif``, ``foci.csv``, ``foci.roi.zip``, ``quality.csv`` and the tracks to a folder.

        Of fields larger than the model's also ``tiles.csv``. The volume has the axes (time, channel, layer, y, x), see
        `foci3d.io.volume_file`. Tracks and tiles of another acquisition that are in the folder are removed, so that it
        holds one result.
        """
        folder = Path(folder)
        (folder / TILES).unlink(missing_ok=True)
        Tracks.remove(folder)
        Tracks.remove(folder / "tracks")
        write_volume(folder / "volume.ome.tif", self.volume)
        write_csv(round_foci(self.foci), folder / "foci.csv")
        write_csv(self.quality, folder / "quality.csv")
        write_rois(folder / "foci.roi.zip", self.regions)
        if len(self.tiles):
            write_csv(self.tiles, folder / TILES)
        if self.tracks:
            self.tracks.save(folder / "tracks")

    @property
    def regions(self) -> list[Region]:
        """Outlines of all foci, or the points of single cells, by row of `foci`; a name has the number of the row."""
        regions: list[Region] = []
        for number, frame in enumerate(self.by_number(), 1):
            rows = frame.foci[["layer", "depth_um"]].to_numpy(float) if frame else ()
            for points, (layer, depth_um) in zip(outline_foci(frame) if frame else (), rows, strict=True):
                name = f"focus {len(regions) + 1}, {depth_um:.0f} um"
                regions.append(Region(name, points, int(layer), number))
        return regions

    @property
    def volume(self) -> Volume:
        """All frames in arrays; NaN in skipped frames, and in layers that a frame has less than others."""
        first = self.frames[0]
        depths = [(each.depths_um, each.depth_sds_um) if each else ((), ()) for each in self.by_number()]
        n_layers = max(len(depths_um) for depths_um, _ in depths)
        depths_um, depth_sds_um = (
            np.array([_fill(np.array(each), n_layers) for each in values]) for values in zip(*depths, strict=True)
        )
        index = {number: index for index, number in enumerate(self.numbers)}

        def stack(value: Callable[[Reconstruction], npt.NDArray[Any]], n_images: int) -> FrameArray:
            """Images `(T, n_images, Y, X)` of a value of each frame; NaN, or False, where there is none."""
            known = value(first)

            def read(number: int) -> npt.NDArray[Any]:
                images = value(self.frames[index[number]]) if number in index else known[:0]
                return _fill(images, n_images)

            return FrameArray((self.n_frames, n_images, *known.shape[1:]), known.dtype, read)

        return Volume(
            stack(lambda frame: frame.probability, n_layers),
            stack(lambda frame: frame.mask, n_layers),
            stack(lambda frame: frame.measurement, len(first.measurement)),
            depths_um,
            depth_sds_um,
            first.pixel_pitch_um,
            first.sensor_depths_um,
            first.threshold,
            self.frame_interval_s,
            self.channel,
        )


def _number_usable(n_frames: int, skipped: Mapping[int, str]) -> list[int]:
    """Numbers (from 0) of the frames that are not skipped."""
    return [number for number in range(n_frames) if number not in skipped]


def _fill(values: npt.NDArray[Any], n_layers: int) -> npt.NDArray[Any]:
    """Values of some layers, followed by NaN, or False, up to a number of layers."""
    missing = np.nan if values.dtype.kind == "f" else 0
    return np.concatenate([values, np.full((n_layers - len(values), *values.shape[1:]), missing, values.dtype)])


def reconstruct_acquisition(
    acquisition: Acquisition | Fluorophore,
    model: Model,
    *,
    specimen: Specimen = "layers",
    threshold: float = CELL_THRESHOLD,
    n_layers: int | None = None,
    imager: ImagerCorrection | None = None,
    conditioning: ConditioningConfig = ConditioningConfig(),
    tracking: TrackingConfig | None = None,
    unusable_frames: UnusableFrames = "skip",
    resume_folder: Path | None = None,
) -> AcquisitionReconstruction:
    """Read the images of an acquisition and reconstruct each frame; the quality of each is logged.

    Parameters
    ----------
    acquisition : Acquisition or Fluorophore
        Files of the images, and what is known of them; its specimen, if it has one, replaces `specimen`. Of several
        channels, each is an acquisition, or a fluorophore is unmixed from them.
    model : Model
        A model for the task `stacks` or `masks`.
    specimen : {"layers", "cells", "volume", "auto"}
        Kind of specimen, see `foci3d.reconstruction.specimen.reconstruct_specimen`. Of single cells, no offset is
        removed before, because their background is fitted with them.
    threshold : float
        Probability above which a pixel is classified as a cell, between 0 and 1.
    n_layers : int, optional
        Number of layers with cells where it is known, for a model that predicts it.
    imager : ImagerCorrection, optional
        Deviations of the imager, see `foci3d.align`. Give the model its separation and point-spread function.
    conditioning : ConditioningConfig
        What is found in the measurements and removed, see `foci3d.reconstruction.conditioning`; by default all.
    tracking : TrackingConfig, optional
        How foci are followed through several frames; without it, they are not.
    unusable_frames : {"skip", "refuse"}
        What to do with unusable frames of a series, see `foci3d.io.images.read_acquisition`.
    resume_folder : Path, optional
        Keeps the frames of a series, and the tiles of a field larger than the model's, so that an interrupted
        reconstruction resumes where it stopped. The frames of the result are read from it, so that they need no memory.
        Remove it when the result is written, see `forget_frames`.

    Returns
    -------
    AcquisitionReconstruction
        The result; `foci3d.write_reconstruction` writes it with figures.

    Raises
    ------
    InputError
        If an image does not fit, see `foci3d.io.images.read_measurements`, or the model, see `reconstruct`.
    """
    measurements = read_measurements(acquisition, model.description.n_pixels, unusable_frames)
    if isinstance(acquisition, Fluorophore):
        acquisition = acquisition.acquisition
    truth = Truth.load(acquisition.truth) if acquisition.truth else None
    specimen = acquisition.specimen or specimen
    if specimen == "cells":
        conditioning = conditioning.model_copy(update={"offset": False})
    values, size = measurements.values, model.description.n_pixels
    mean = values.mean(0, dtype=float).astype(np.float32)
    found = find_conditioning(mean, model, conditioning, imager=imager, defects=measurements.defects)
    name, predicting = acquisition.name, model
    if str(found):
        log.info("%s: %s", name, found)
    settings = describe_settings(model, specimen=specimen, threshold=threshold, n_layers=n_layers)
    frames = FrameStore(resume_folder if len(values) > 1 else None, settings)
    if resume_folder and values.shape[2:] != (size, size):
        predicting = ResumableModel.of(model, resume_folder / "tiles")

    def reconstruct_frame(measurement: npt.NDArray[Any], *variants: npt.NDArray[Any]) -> Reconstruction:
        frame = reconstruct_specimen(measurement, predicting, specimen, threshold, n_layers)
        return fit_depths(propagate_errors(frame, variants, model), model)

    numbers = _number_usable(len(values) + len(measurements.skipped), measurements.skipped)
    progress = Progress(progress_log, "frames", len(values))
    for n_done, (number, recorded) in enumerate(zip(numbers, values, strict=True), 1):
        frame = frames.add(found.apply_with_variants(recorded), reconstruct_frame)
        if isinstance(predicting, ResumableModel) and frames.folder:
            predicting.forget()  # tiles take much space on the disk, and their frame is kept
        which = f", frame {number}" if numbers != [0] else ""
        log.info("%s%s: %s", name, which, frame.summary)
        progress.report(n_done)
    result = AcquisitionReconstruction(
        frames,
        measurements.frame_interval_s,
        skipped=measurements.skipped,
        conditioning=found,
        name=name,
        channel=acquisition.channel,
        truth=truth,
    )
    if compared := result.compare_with_truth():
        log.info("%s: %s", name, compared)
    if tracking is None or len(frames) == 1:
        return result
    return replace(result, tracks=Tracks.from_foci(result.foci, tracking, result.frame_interval_s))


def forget_frames(folder: str | Path) -> None:
    """Remove what a reconstruction kept in the folder of its result, in `RESUME_FOLDER`, once that is written."""
    shutil.rmtree(Path(folder) / RESUME_FOLDER, ignore_errors=True)
