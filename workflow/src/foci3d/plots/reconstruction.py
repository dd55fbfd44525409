"""What is written of a user's acquisition: its data, an overview figure, an interactive 3-D view, and its tracks."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from foci3d.io.atomic import atomic_path
from foci3d.plots import style, view3d
from foci3d.plots.tracking import show_tracks
from foci3d.reconstruction.acquisition import AcquisitionReconstruction
from foci3d.reconstruction.tracking import Tracks
from foci3d.reconstruction.volume import Reconstruction

NOTE_WIDTH = 130
"""Characters in a line of the note below the figure."""

MIN_TICK_DISTANCE = 0.08
"""Share of the largest depth below which two layers have one label."""


def write_reconstruction(result: AcquisitionReconstruction, folder: str | Path) -> None:
    """Write a reconstructed acquisition with its figures.

    Parameters
    ----------
    result : AcquisitionReconstruction
        Result of `foci3d.reconstruct_acquisition`.
    folder : str or Path
        Gets the files of `AcquisitionReconstruction.save`, and of the first frame ``overview.png`` with measurements,
        probability maps and layers in space, and ``view.html``, an interactive 3-D view; of a time series with tracks
        also ``tracks/tracks.png``.
    """
    folder, first = Path(folder), result.frames[0]
    result.save(folder)
    style.use_style()
    which = f"first of {len(result.frames)} frames: " if len(result.frames) > 1 else ""
    notes = [f"{which}{first.quality}", str(result.conditioning or "")]
    style.save_png(overview(first, "; ".join(filter(None, notes))), folder / "overview.png")
    with atomic_path(folder / "view.html") as path:
        path.write_text(view3d.view_html(first.probability, *_geometry(first)))
    if result.tracks:
        write_tracks(result.tracks, folder / "tracks")


def write_tracks(tracks: Tracks, folder: Path) -> None:
    """Write tracks to a folder: ``tracks.csv``, ``summary.csv`` and ``tracks.png``."""
    tracks.save(folder)
    style.use_style()
    style.save_png(show_tracks(tracks.foci, tracks.summary), folder / "tracks.png")


def _geometry(result: Reconstruction) -> tuple[Sequence[float], float, Sequence[float], float]:
    """Depths of the layers, pixel pitch, depths of the sensors and threshold, as `view3d.figure_3d` takes them."""
    return result.depths_um, result.pixel_pitch_um, result.sensor_depths_um, result.threshold


def overview(result: Reconstruction, note: str = "") -> Figure:
    """Show the measurements, the probability map of each layer with the outline of its cells, and all layers in space.

    Parameters
    ----------
    result : Reconstruction
        One frame of an acquisition.
    note : str
        Line below the figure.

    Returns
    -------
    Figure
        Measurements above the maps of the layers, the layers in space at the right.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 90)
    figure.supxlabel(textwrap.fill(note, NOTE_WIDTH), fontsize=7)
    ((flat, space),) = figure.subfigures(1, 2, squeeze=False, width_ratios=(3, 2))
    grid = flat.subplots(2, len(result.probability), squeeze=False)
    for axes, image, name in zip(grid[0], result.measurement, "AB", strict=False):
        style.show_image(axes, image, result.pixel_pitch_um, limits=(image.min(), image.max()), bar_um=1000)
        axes.set_title(f"sensor {name}")
    for axes in grid[0, len(result.measurement) :]:
        axes.set_axis_off()
    depths_um, sds_um = result.depths_um, result.depth_sds_um
    for axes, layer, mask, depth_um, sd_um in zip(
        grid[1], result.probability, result.mask, depths_um, sds_um, strict=True
    ):
        cells = style.show_image(axes, layer, result.pixel_pitch_um, cmap=style.CELLS, limits=(0, 1))
        style.show_outline(axes, mask, result.pixel_pitch_um)
        axes.set_title(f"{depth_um:.0f} ± {sd_um:.0f} µm")
    flat.colorbar(cells, ax=grid[1], label="probability of a cell", location="bottom", shrink=0.6, aspect=40)
    axes_3d = space.add_subplot(projection="3d")
    view3d.draw_layers(axes_3d, result.mask, depths_um, result.pixel_pitch_um, result.sensor_depths_um)
    view3d.name_sensors(axes_3d, result.sensor_depths_um)
    axes_3d.set(xticks=[], yticks=[])
    nearest_um = MIN_TICK_DISTANCE * max(*result.sensor_depths_um, *depths_um)
    axes_3d.set_zticks(*_join_labels(depths_um, nearest_um), ha="left")
    return figure


def _join_labels(depths_um: Sequence[float], nearest_um: float) -> tuple[list[float], list[str]]:
    """Positions and labels of depths, with one label for depths that are closer than `nearest_um`."""
    groups: list[list[float]] = []
    for depth_um in sorted(depths_um):
        if groups and depth_um - groups[-1][-1] < nearest_um:
            groups[-1].append(depth_um)
        else:
            groups.append([depth_um])
    labels = [", ".join(f"{depth_um:.0f}" for depth_um in group) + " µm" for group in groups]
    return [sum(group) / len(group) for group in groups], labels
