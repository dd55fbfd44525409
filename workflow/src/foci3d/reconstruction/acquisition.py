"""Reconstruction of an acquisition, an image or a time series of each sensor, in files: the one way for all callers."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from foci3d.confidence.quality import quality_table
from foci3d.config.models import TrackingConfig
from foci3d.config.samples import Acquisition
from foci3d.evaluation.metrics import CELL_THRESHOLD
from foci3d.io.atomic import write_csv
from foci3d.io.images import read_acquisition
from foci3d.io.volume_file import write_volume
from foci3d.learning.model import Model
from foci3d.reconstruction.tracking import Tracks, join_frames
from foci3d.reconstruction.volume import Reconstruction, reconstruct

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AcquisitionReconstruction:
    """A reconstructed acquisition.

    Parameters
    ----------
    frames : tuple of T Reconstructions
        The reconstruction of each frame.
    frame_interval_s : float or None
        Time between frames, if it is known [s].
    tracks : Tracks or None
        Foci followed through the frames of a time series, if gates were given.
    """

    frames: tuple[Reconstruction, ...]
    frame_interval_s: float | None = None
    tracks: Tracks | None = None

    @property
    def foci(self) -> pd.DataFrame:
        """Foci of all frames, see `foci3d.reconstruction.foci.find_foci`, with the first column frame (from 0)."""
        return join_frames([frame.foci for frame in self.frames])

    @property
    def quality(self) -> pd.DataFrame:
        """Quality of each frame, see `foci3d.confidence.quality.quality_table`."""
        return quality_table([frame.quality for frame in self.frames])

    def save(self, folder: str | Path) -> None:
        """Write ``volume.ome.tif``, ``foci.csv``, ``quality.csv`` and the tracks to a folder.

        The volume has the axes (time, channel, layer, y, x), and the channels probability of a cell, mask and
        uncertainty; pixel pitch [um] and depths [um] are in its metadata.
        """
        folder = Path(folder)
        channels = [np.stack([frame.probability, frame.mask, frame.uncertainty]) for frame in self.frames]
        write_volume(
            folder / "volume.ome.tif",
            np.stack(channels).astype(np.float32, copy=False),
            np.array([frame.depths_um for frame in self.frames]),
            np.array([frame.depth_sds_um for frame in self.frames]),
            self.frames[0].pixel_pitch_um,
            self.frame_interval_s,
        )
        write_csv(self.foci, folder / "foci.csv")
        write_csv(self.quality, folder / "quality.csv")
        if self.tracks:
            self.tracks.save(folder / "tracks")


def reconstruct_acquisition(
    acquisition: Acquisition,
    model: Model,
    *,
    threshold: float = CELL_THRESHOLD,
    tracking: TrackingConfig | None = None,
) -> AcquisitionReconstruction:
    """Read the images of an acquisition and reconstruct each frame; the quality of each is logged.

    Parameters
    ----------
    acquisition : Acquisition
        Files of the images, and what is known of them.
    model : Model
        A model for the task `stacks` or `masks`.
    threshold : float
        Probability above which a pixel is classified as a cell, between 0 and 1.
    tracking : TrackingConfig, optional
        How foci are followed through several frames; without it, they are not.

    Returns
    -------
    AcquisitionReconstruction
        The result; `foci3d.write_reconstruction` writes it with figures.

    Raises
    ------
    InputError
        If an image does not fit, see `foci3d.io.images.read_acquisition`, or the model, see `reconstruct`.
    """
    measurements = read_acquisition(acquisition, model.description.n_pixels)
    frames = []
    for number, measurement in enumerate(measurements.values, 1):
        frames.append(reconstruct(measurement, model, threshold=threshold))
        log.info(
            "frame %d of %d: %d foci; %s",
            number,
            len(measurements.values),
            len(frames[-1].foci),
            frames[-1].quality,
        )
    result = AcquisitionReconstruction(tuple(frames), measurements.frame_interval_s)
    if tracking is None or len(frames) == 1:
        return result
    return replace(result, tracks=Tracks.from_foci(result.foci, tracking, result.frame_interval_s))
