"""Write the acquisition of `foci3d demo`: clusters of cells in four layers, by this simulator and not by the library's.

`python tests/independent/render_demo.py` writes images and truth into the package, the same bytes each time.
"""

import json
from pathlib import Path

import numpy as np
import scenes
import tifffile
from imager import FWHM_DEG, PITCH_UM, SEPARATION_UM, STANDOFF_UM, Imperfections, measure

FOLDER = Path(__file__).parents[2] / "workflow" / "src" / "foci3d" / "demo_data"
SEED = 4  # with errors near the mean of its like
LARGEST_READING = 4095


def main(folder: Path = FOLDER) -> None:
    scene = scenes.make_scene(scenes.blobs, SEED)
    readings = np.rint(measure(scene.layers, scene.depths_um, Imperfections(), SEED) * LARGEST_READING)
    images = {"sensor_a": readings[0].astype(np.uint16), "sensor_b": readings[1].astype(np.uint16)}
    images["masks"] = scene.masks.astype(np.uint8)
    for name, values in images.items():
        tifffile.imwrite(
            folder / f"{name}.tif", values, metadata=None, software=False, compression="zlib", photometric="minisblack"
        )
    optics = {"fwhm_deg": FWHM_DEG, "standoff_um": STANDOFF_UM, "linear_fill_factor": 1.0}
    imager = {"optics": optics, "pixel_pitch_um": PITCH_UM, "sensor_separation_um": SEPARATION_UM}
    description = {**imager, "depths_um": scene.depths_um.round(1).tolist()}
    (folder / "acquisition.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
