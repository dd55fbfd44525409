"""The files of a reconstruction: OME-TIFF, foci, quality, overview, interactive 3-D view and tracks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from foci3d.confidence.quality import quality_table
from foci3d.config.models import TrackingConfig
from foci3d.io.atomic import atomic_path
from foci3d.io.volume_file import write_volume
from foci3d.plots import style, view3d
from foci3d.plots.reconstruction import overview as draw_overview
from foci3d.plots.tracking import show_tracks
from foci3d.reconstruction.tracking import describe_tracks, join_frames, track_foci
from foci3d.reconstruction.volume import Reconstruction


@dataclass(frozen=True)
class ReconstructionFiles:
    """Paths of the files of an acquisition.

    Parameters
    ----------
    volume : Path
        Probability of a cell, mask and uncertainty (time, channel, layer, y, x), OME-TIFF with pixel pitch and depths.
    foci : Path
        Foci of all frames, CSV.
    quality : Path
        Quality of each frame, CSV.
    overview : Path
        Measurements, probability maps and layers in space of the first frame, PNG.
    view : Path
        Interactive 3-D view of the first frame, HTML.
    tracks : Path
        Folder of the tracks of a time series; it stays empty for one frame.
    """

    volume: Path
    foci: Path
    quality: Path
    overview: Path
    view: Path
    tracks: Path

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Files with their usual names in a folder."""
        names = ("volume.ome.tif", "foci.csv", "quality.csv", "overview.png", "view.html", "tracks")
        return cls(*(folder / name for name in names))


def write_reconstruction(
    results: Sequence[Reconstruction],
    files: ReconstructionFiles,
    frame_interval_s: float | None = None,
    tracking: TrackingConfig | None = None,
) -> None:
    """Write the results of an acquisition.

    Parameters
    ----------
    results : sequence of T Reconstructions
        The reconstruction of each frame.
    files : ReconstructionFiles
        Where to write.
    frame_interval_s : float, optional
        Time between frames [s].
    tracking : TrackingConfig, optional
        How foci are followed through several frames; without it, they are not.
    """
    first = results[0]
    channels = [np.stack([result.probability, result.mask, result.uncertainty]) for result in results]
    depths_um, depth_sds_um = (
        np.array([getattr(result, name) for result in results]) for name in ("depths_um", "depth_sds_um")
    )
    volume = np.stack(channels).astype(np.float32, copy=False)
    write_volume(files.volume, volume, depths_um, depth_sds_um, first.pixel_pitch_um, frame_interval_s)
    foci = join_frames([result.foci for result in results])
    _write_table(foci, files.foci)
    _write_table(quality_table([result.quality for result in results]), files.quality)
    style.use_style()
    geometry = (first.depths_um, first.pixel_pitch_um, first.sensor_depths_um, first.threshold)
    which = f"frame 0 of {len(results)}: " if len(results) > 1 else ""
    figure = draw_overview(
        first.measurement,
        first.probability,
        *geometry,
        layer_depth_sds_um=first.depth_sds_um,
        note=f"{which}{first.quality}",
    )
    with atomic_path(files.overview) as path:
        figure.savefig(path, metadata={"Software": None})
    with atomic_path(files.view) as path:
        path.write_text(view3d.view_html(first.probability, *geometry))
    if len(results) > 1 and tracking:
        write_tracks(foci, files.tracks, tracking, frame_interval_s)


def write_tracks(
    foci: pd.DataFrame, folder: Path, tracking: TrackingConfig, frame_interval_s: float | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Track foci and write ``tracks.csv``, ``summary.csv`` and ``tracks.png``.

    Parameters
    ----------
    foci : DataFrame
        Foci of all frames, see `foci3d.reconstruction.tracking.track_foci`.
    folder : Path
        Where to write.
    tracking : TrackingConfig
        How foci are followed.
    frame_interval_s : float, optional
        Time between frames [s].

    Returns
    -------
    DataFrame, DataFrame
        The foci with their tracks, and one row per track.
    """
    tracks = track_foci(foci, **tracking.model_dump())
    summary = describe_tracks(tracks, frame_interval_s)
    _write_table(tracks, folder / "tracks.csv")
    _write_table(summary, folder / "summary.csv")
    style.use_style()
    with atomic_path(folder / "tracks.png") as path:
        show_tracks(tracks, summary).savefig(path, metadata={"Software": None})
    return tracks, summary


def _write_table(table: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)
