"""Simulate the example acquisitions: real tissue as four layers, measured by the two sensors of an imager.

Writes <name>_a.tif and <name>_b.tif (y, x; 12-bit readings in uint16) beside this file, the same bytes each time.
README.md says where the tissue comes from.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
import torch
import yaml

from foci3d.config.models import Config
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF, depth_grid
from foci3d.simulation.slides import load_tissue

HERE = Path(__file__).parent
CONFIG = Config(**yaml.safe_load((HERE.parents[1] / "config" / "config.yaml").read_text()))
BINNING = 5  # pixels of the microscope that are averaged into one of the imager, along each axis
READ_NOISE_ELECTRONS = 20.0
FULL_WELL_ELECTRONS = 1e5
LARGEST_READING = 4095

# Depth of each layer from sensor A [um], and the upper left corner (y, x) of its crop in the averaged tissue.
EXAMPLES = {
    "tissue1": {"depths_um": [110, 371, 602, 861], "corners": [(0, 0), (0, 51), (51, 0), (51, 51)]},
    "tissue2": {"depths_um": [60, 300, 720, 940], "corners": [(51, 20), (10, 51), (40, 0), (20, 30)]},
    "tissue3": {"depths_um": [200, 420, 640, 880], "corners": [(30, 51), (51, 5), (0, 25), (25, 10)]},
}


def make_forward_model() -> ForwardModel:
    """Forward model of the imager that config/config.yaml describes, with two sensors."""
    imager, psf = CONFIG.imager, CONFIG.psf
    depths_um = depth_grid(psf.depth_range_um, psf.depth_step_um)
    acceptance = AngularAcceptance(**psf.optics.model_dump())
    kernels = acceptance_kernels(acceptance, depths_um, imager.n_pixels, imager.pixel_pitch_um)
    described = PSF(kernels.float(), depths_um.float(), imager.pixel_pitch_um)
    return ForwardModel(described, imager.n_pixels, 2, imager.sensor_separation_um)


def read_out(light: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Readings (S, Y, X) of sensors with one gain, at most 90 % of full scale, with shot noise and read noise."""
    electrons = 0.9 * FULL_WELL_ELECTRONS * light / light.max()
    noisy = rng.poisson(electrons) + rng.normal(0, READ_NOISE_ELECTRONS, light.shape)
    return np.clip(np.round(noisy * LARGEST_READING / FULL_WELL_ELECTRONS), 0, LARGEST_READING).astype(np.uint16)


def main() -> None:
    """Write both measurements of every example."""
    tissue, forward = load_tissue(BINNING), make_forward_model()
    for seed, (name, example) in enumerate(EXAMPLES.items()):
        extent = forward.n_pixels
        layers = np.stack([tissue[y : y + extent, x : x + extent] for y, x in example["corners"]])
        depths_um = torch.tensor([example["depths_um"]], dtype=torch.float32)
        light = forward(torch.from_numpy(layers)[None], depths_um)[0].double().numpy()
        readings = read_out(light, np.random.default_rng(seed))
        for sensor, image in zip("ab", readings, strict=True):
            tifffile.imwrite(HERE / f"{name}_{sensor}.tif", image, metadata=None, software=False)


if __name__ == "__main__":
    main()
