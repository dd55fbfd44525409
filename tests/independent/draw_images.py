"""Draw the images of README and documentation: what the released network `two_sensors` finds in simulated specimens.

`python tests/independent/draw_images.py` writes into `docs/images`. The specimens are this simulator's and not the
library's: the acquisition of `foci3d demo`, and a cluster of cells that migrates through four layers.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scenes
from imager import N_PIXELS, PITCH_UM, SEPARATION_UM, measure
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from mpl_toolkits.mplot3d import Axes3D
from PIL import Image

from foci3d import Reconstruction, load_model, reconstruct, reconstruct_acquisition, released_model
from foci3d.evaluation.metrics import Confusion
from foci3d.learning.model import Model
from foci3d.plots import style, view3d
from foci3d.plots.reconstruction import overview
from foci3d.reconstruction.demo import Demo

FOLDER = Path(__file__).parents[2] / "docs" / "images"
SEED = 21
N_FRAMES, FRAME_MS, DPI = 48, 110, 110
CLUSTER_RADIUS_PX = 5.5
QUALITY = 72  # of the animation, in which every frame has all colors; 100 is best


def draw_layers(result: Reconstruction, demo: Demo) -> Figure:
    """The measurements; above, the map of each layer with its error; below, the truth."""
    figure = style.new_figure(style.FULL_WIDTH_MM, 78)
    grid, truth = figure.subplots(2, 5), demo.truth
    for axes, image, name in zip(grid[:, 0], result.measurement, "AB", strict=True):
        limits = (image.min(), image.max())
        style.show_image(axes, image, PITCH_UM, limits=limits, bar_um=1000 if name == "B" else None)
        axes.set_title(f"image of sensor {name}")
    errors = Confusion.from_masks(result.mask, truth.masks).error
    for layer, (above, below) in enumerate(grid.T[1:]):
        cells = style.show_image(above, result.probability[layer], PITCH_UM, cmap=style.CELLS, limits=(0, 1))
        above.set_title(f"found: {result.depths_um[layer]:.0f} ± {result.depth_sds_um[layer]:.0f} µm")
        style.show_image(below, truth.masks[layer], PITCH_UM, cmap=style.CELLS, limits=(0, 1))
        below.set_title(f"truth: {truth.depths_um[layer]:.0f} µm")
        below.text(0.5, -0.04, f"{errors[layer]:.1%} differ", transform=below.transAxes, ha="center", va="top")
    figure.colorbar(cells, ax=grid[0, 1:], label="probability of a cell")
    return figure


def migrate(rng: np.random.Generator) -> Iterator[tuple[scenes.Scene, int, np.ndarray]]:
    """Scenes of a cluster that drifts and goes from layer to layer among others that stay, its layer and its mask."""
    still, depths_um = rng.uniform(0, 0.35, (4, N_PIXELS, N_PIXELS)), np.array([160.0, 400.0, 640.0, 880.0])
    masks = np.stack([scenes.disc_mask(rng, N_PIXELS, 6, (2.0, 5.0)) for _ in depths_um])
    light = scenes.speckle(rng, masks.shape, 0.78)
    y, x = np.mgrid[:N_PIXELS, :N_PIXELS]
    for time in np.arange(N_FRAMES) / N_FRAMES:
        layer = int(time * len(depths_um))
        cluster = np.hypot(y - 12 - 26 * time, x - 14 - 22 * time) < CLUSTER_RADIUS_PX
        cells = masks.copy()
        cells[layer] |= cluster
        yield scenes.Scene(np.where(cells, light, still), cells, depths_um), layer, cluster


def draw_space(axes: Axes3D, result: Reconstruction, turn: float, title: str) -> None:
    """Layers between the sensors with their images, seen from a direction; a turn of 1 is all around."""
    planes_um = (0.0, SEPARATION_UM)
    view3d.draw_layers(axes, result.mask, result.depths_um, PITCH_UM, planes_um)
    for image, depth_um in zip(result.measurement, planes_um, strict=True):
        view3d.draw_image(axes, image, depth_um, PITCH_UM)
    axes.view_init(elev=13, azim=-62 + 360 * turn)
    axes.set_box_aspect((1, 1, 1.5), zoom=1.05)
    axes.set_axis_off()
    axes.text2D(0.5, 1, title, transform=axes.transAxes, ha="center")


def draw_frame(left: Reconstruction, right: Reconstruction, layer: int, cluster: np.ndarray, turn: float) -> Figure:
    """The stack, all around; and the cluster, marked by the outline of its truth, from changing sides."""
    figure = Figure(figsize=(7.2, 4.4))
    figure.subplots_adjust(0, 0.05, 1, 0.95, 0, 0)
    stack, moving = figure.subplots(1, 2, subplot_kw={"projection": "3d"})
    draw_space(stack, left, turn, "four layers between two sensors")
    draw_space(moving, right, 0.08 * np.sin(2 * np.pi * turn), "a cluster migrates through four layers")
    y, x = np.nonzero(cluster)
    angles = np.linspace(0, 2 * np.pi, 60)
    circle_um = (
        CLUSTER_RADIUS_PX * np.stack([np.cos(angles), np.sin(angles)]) + np.array([[x.mean()], [y.mean()]]) + 0.5
    )
    depth_um = right.depths_um[layer]
    moving.plot(*(circle_um * PITCH_UM), depth_um, color=style.MARK, linewidth=2, zorder=0.6 - depth_um)
    labels = {"found: cells": view3d.CELLS, "found: no cells": view3d.EMPTY, "truth: the cluster": style.MARK}
    handles = [Patch(facecolor=color, label=label) for label, color in labels.items()]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles))
    return figure


def rasterize(figure: Figure) -> Image.Image:
    """A figure as an image; drawn larger first, so that no seams show between the pixels of a layer."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=3 * DPI)
    return Image.open(buffer).convert("RGB").reduce(3)


def draw_animation(result: Reconstruction, model: Model, path: Path) -> None:
    """Write the animation, the same bytes each time."""
    frames, rng = [], np.random.default_rng(SEED)
    for number, (scene, layer, cluster) in enumerate(migrate(rng)):
        moving = reconstruct(measure(scene.layers, scene.depths_um, seed=number), model)
        frames.append(rasterize(draw_frame(result, moving, layer, cluster, number / N_FRAMES)))
    first, *others = frames
    first.save(path, save_all=True, append_images=others, duration=FRAME_MS, loop=0, quality=QUALITY, method=6)


def main(folder: Path = FOLDER) -> None:
    demo = Demo.load()
    model = load_model(released_model("two_sensors"), psf=demo.psf)
    acquisition = reconstruct_acquisition(demo.acquisition, model)
    (result,) = acquisition.frames
    style.use_style()
    notes = f"{result.quality}; {demo.truth.compare(result)}; {acquisition.conditioning}"
    style.save_png(overview(result, notes, demo.truth, "demo"), folder / "demo_overview.png")
    style.save_png(draw_layers(result, demo), folder / "four_layers.png")
    draw_animation(result, model, folder / "migrating_cluster.webp")


if __name__ == "__main__":
    main()
