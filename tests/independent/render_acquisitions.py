"""Write the example acquisitions in `resources/acquisitions`, by this simulator and not by the library's.

`python tests/independent/render_acquisitions.py` writes images and truth, the same bytes each time.
"""

from pathlib import Path

import numpy as np
import scenes
import tifffile
from imager import N_PIXELS, PITCH_UM, SEPARATION_UM, Imperfections, measure, point_light, read_out

from foci3d.io.volume_file import Volume, write_volume

FOLDER = Path(__file__).parents[2] / "resources" / "acquisitions"
LARGEST_READING = 4095
CLUSTERS_SEED, CELLS_SEED, N_CELLS = 2, 3, 5
FAINT = Imperfections(offset=1.0, full_well_electrons=10000)  # single cells on autofluorescence


def write_images(folder: Path, name: str, readings: np.ndarray) -> None:
    for sensor, image in zip("ab", np.rint(readings * LARGEST_READING).astype(np.uint16), strict=True):
        path = folder / f"{name}_{sensor}.tif"
        tifffile.imwrite(path, image, metadata=None, software=False, compression="zlib", photometric="minisblack")


def write_clusters(folder: Path) -> None:
    """Clusters of cells in four layers; and again as sensors that face each other record them, B mirrored."""
    scene = scenes.make_scene(scenes.speckled_discs, CLUSTERS_SEED)
    readings = measure(scene.layers, scene.depths_um, Imperfections(), CLUSTERS_SEED)
    write_images(folder, "clusters", readings)
    write_images(folder, "mirrored", np.stack([readings[0], readings[1, :, ::-1]]))
    masks, depths_um = scene.masks[None], scene.depths_um[None].round(1)
    nothing = np.zeros((1, 0, N_PIXELS, N_PIXELS))
    truth = Volume(masks.astype(np.float32), masks, nothing, depths_um, np.zeros_like(depths_um), PITCH_UM)
    write_volume(folder / "clusters_truth.ome.tif", truth)


def write_cells(folder: Path) -> None:
    """Five single cells."""
    rng = np.random.default_rng(CELLS_SEED)
    low, high = np.array([[6, 6, 80, 0.7], [N_PIXELS - 6, N_PIXELS - 6, SEPARATION_UM - 80, 1.3]])
    points = rng.uniform(low, high, (N_CELLS, 4))
    write_images(folder, "cells", read_out(point_light(points), FAINT, rng))
    y_um, x_um, depth_um = points[:, 0] * PITCH_UM + PITCH_UM / 2, points[:, 1] * PITCH_UM + PITCH_UM / 2, points[:, 2]
    rows = [f"{depth:.1f},{y:.1f},{x:.1f}" for depth, y, x in sorted(zip(depth_um, y_um, x_um, strict=True))]
    (folder / "cells_truth.csv").write_text("\n".join(["depth_um,y_um,x_um", *rows, ""]), encoding="utf-8")


def main(folder: Path = FOLDER) -> None:
    write_clusters(folder)
    write_cells(folder)


if __name__ == "__main__":
    main()
