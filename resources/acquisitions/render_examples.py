"""Render the example acquisitions: real tissue as four layers, seen by the two sensors of a simulated imager.

Writes <name>_a.tif and <name>_b.tif (y, x; 12-bit readings in uint16) beside this file, the same bytes each time.
README.md tells where the tissue comes from.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
import torch
import yaml

from foci3d.optics import Acceptance, Blur, Psf, acceptance_kernels, depth_grid
from foci3d.slides import load_label

HERE = Path(__file__).parent
CONFIG = yaml.safe_load((HERE.parents[1] / "config" / "config.yaml").read_text())
MICROSCOPE_PIXELS = 5  # of the microscope, averaged into one of the imager
READ_NOISE_ELECTRONS = 20.0
FULL_WELL_ELECTRONS = 1e5
LARGEST_READING = 4095

# Depth of each layer from sensor A [um], and the upper left corner (y, x) of its crop in the averaged tissue.
EXAMPLES = {
    "tissue1": {"depths_um": [110, 371, 602, 861], "corners": [(0, 0), (0, 51), (51, 0), (51, 51)]},
    "tissue2": {"depths_um": [60, 300, 720, 940], "corners": [(51, 20), (10, 51), (40, 0), (20, 30)]},
    "tissue3": {"depths_um": [200, 420, 640, 880], "corners": [(30, 51), (51, 5), (0, 25), (25, 10)]},
}


def imager_blur() -> Blur:
    """The blur of the imager that config/config.yaml describes."""
    imager, psf = CONFIG["imager"], CONFIG["psf"]
    depths_um = depth_grid(psf["depth_range_um"], psf["depth_step_um"])
    kernels = acceptance_kernels(Acceptance(**psf["optics"]), depths_um, imager["pixels"], imager["pixel_pitch_um"])
    return Blur(Psf(kernels.float(), depths_um.float(), imager["pixel_pitch_um"]), imager["pixels"])


def read_out(light: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Readings (S, Y, X) of sensors with one gain, at most 90 % of full scale, with shot noise and read noise."""
    electrons = 0.9 * FULL_WELL_ELECTRONS * light / light.max()
    noisy = rng.poisson(electrons) + rng.normal(0, READ_NOISE_ELECTRONS, light.shape)
    return np.clip(np.round(noisy * LARGEST_READING / FULL_WELL_ELECTRONS), 0, LARGEST_READING).astype(np.uint16)


def main() -> None:
    """Write both pictures of every example."""
    tissue, blur = load_label("ihc", MICROSCOPE_PIXELS), imager_blur()
    pixels, separation_um = CONFIG["imager"]["pixels"], CONFIG["imager"]["sensor_separation_um"]
    for number, (name, example) in enumerate(EXAMPLES.items()):
        crops = [tissue[y : y + pixels, x : x + pixels] for y, x in example["corners"]]
        layers = torch.from_numpy(np.stack(crops))
        depths_um = torch.tensor(example["depths_um"], dtype=torch.float32)
        rng = np.random.default_rng(number)
        distances_um = torch.stack([depths_um, separation_um - depths_um])
        light = blur(layers.expand(2, *layers.shape), distances_um).sum(1).double().numpy()
        for sensor, readings in zip("ab", read_out(light, rng), strict=True):
            tifffile.imwrite(HERE / f"{name}_{sensor}.tif", readings, metadata=None, software=False)


if __name__ == "__main__":
    main()
