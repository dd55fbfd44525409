"""Depth of one layer by the released network `depth_classes`, on images of another simulator.

`PYTHONPATH=workflow/src python tests/independent/depth_classes.py --n 200` prints the shares of exact classes, and of
those within one class, with 95 % bootstrap intervals over scenes: with the imager of the training data, and with an
imager of its own for each scene.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import scenes
import torch
from conditions import N_BOOTSTRAP
from imager import FWHM_DEG, N_PIXELS, PITCH_UM, STANDOFF_UM, Imperfections, project, read_out

import foci3d
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.psf import PSF, depth_grid

RANGES = {"fwhm_deg": (25.0, 45.0), "standoff_um": (0.0, 100.0), "pixel_pitch_um": (40.0, 80.0)}
"""Optics of the imagers that the network was trained for."""

CONFIGURED = {"fwhm_deg": FWHM_DEG, "standoff_um": STANDOFF_UM, "pixel_pitch_um": PITCH_UM}


def describe_psf(fwhm_deg: float, standoff_um: float, pixel_pitch_um: float) -> PSF:
    depths_um = depth_grid((0.0, 2000.0), 20.0)
    kernels = acceptance_kernels(AngularAcceptance(fwhm_deg, standoff_um, 1.0), depths_um, N_PIXELS, pixel_pitch_um)
    return PSF(kernels.float(), depths_um.float(), pixel_pitch_um)


def measure_layer(
    layer: np.ndarray, depth_um: float, rng: np.random.Generator, fwhm_deg: float, standoff_um: float, pitch_um: float
) -> np.ndarray:
    """Readings `(1, P, P)`. Light depends on the height in pixels, so that another pitch is another height."""
    heights_um = np.array([(depth_um + standoff_um) * PITCH_UM / pitch_um])
    light = project(layer[None], heights_um, (0.0, 0.0), N_PIXELS, fwhm_deg)
    return read_out(np.stack([light, light]), Imperfections(), rng)[:1]


def errors_in_classes(n_scenes: int, first: int, is_varied: bool) -> np.ndarray:
    """Predicted minus true number of the class `(n_scenes,)`."""
    path, configured, errors = foci3d.released_model("depth_classes"), describe_psf(**CONFIGURED), []
    for seed in range(first, first + n_scenes):
        rng = np.random.default_rng(seed)
        optics = {name: float(rng.uniform(*interval)) for name, interval in RANGES.items()} if is_varied else CONFIGURED
        model = foci3d.load_model(path, psf=describe_psf(**optics) if is_varied else configured, device="cpu")
        number = rng.integers(len(model.description.classes_um))
        layer, _ = scenes.blobs(rng, N_PIXELS)
        image = measure_layer(layer, model.description.classes_um[number], rng, *optics.values())
        errors.append(int(model.predict(image[None].astype(np.float32)).output.argmax()) - number)
    return np.array(errors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200, help="scenes")
    parser.add_argument("--first", type=int, default=5000, help="seed of the first scene")
    parser.add_argument("--out", type=Path, help="CSV file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for title, is_varied in (("the configured imager", False), ("an imager of its own", True)):
        errors = errors_in_classes(arguments.n, arguments.first, is_varied)
        resampled = np.random.default_rng(0).integers(0, len(errors), (N_BOOTSTRAP, len(errors)))
        for metric, is_right in (("exact_percent", errors == 0), ("within_one_percent", abs(errors) <= 1)):
            low, high = 100 * np.quantile(is_right[resampled].mean(1), (0.025, 0.975))
            rows.append((title, len(errors), metric, 100 * is_right.mean(), low, high))
        print(pd.DataFrame(rows, columns=["imager", "n", "metric", "value", "ci_low", "ci_high"]), flush=True)
    if arguments.out:
        table = pd.DataFrame(rows, columns=["imager", "n", "metric", "value", "ci_low", "ci_high"])
        table.to_csv(arguments.out, index=False, float_format="%.3f")


if __name__ == "__main__":
    main()
