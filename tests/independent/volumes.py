"""Thick specimens on images of another simulator: voxels found by `foci3d.classical.volume`, one row per condition.

`PYTHONPATH=workflow/src python tests/independent/volumes.py --n 40 --out volumes.csv` prints a table with 95 %
bootstrap intervals over scenes and writes it. Recall is the share of the voxels with light that have a voxel of the
result in the same pixel within 100 (or 50) um in depth, precision the reverse. `layers` is the released network.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from conditions import FIRST_TEST, described_psf, format_table, summarize
from imager import N_PIXELS, PITCH_UM, Imperfections, measure
from scipy import ndimage

import foci3d
from foci3d.reconstruction.specimen import reconstruct_specimen

SLICE_UM = 20.0
DEPTHS_UM = np.arange(30.0, 975.0, SLICE_UM)


def spheres(rng: np.random.Generator, n_pixels: int) -> np.ndarray:
    """Spheres of 60 to 200 um in radius, each with its brightness."""
    lateral_um = np.arange(n_pixels) * PITCH_UM
    z, y, x = np.meshgrid(DEPTHS_UM, lateral_um, lateral_um, indexing="ij", sparse=True)
    light = np.zeros((len(DEPTHS_UM), n_pixels, n_pixels))
    count = round(rng.integers(5, 16) * (n_pixels / N_PIXELS) ** 2)
    for cz, cy, cx in rng.uniform([60, 0, 0], [940, lateral_um[-1], lateral_um[-1]], (count, 3)):
        radius_um, brightness = rng.uniform(60, 200), rng.uniform(0.5, 1.5)
        light[(z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 < radius_um**2] = brightness
    return light


def blobs(rng: np.random.Generator, n_pixels: int) -> np.ndarray:
    """Smooth noise in three dimensions above a threshold, speckled: 3 to 12 % of the volume."""
    shape = len(DEPTHS_UM) + 20, n_pixels + 40, n_pixels + 40
    noise = ndimage.gaussian_filter(rng.normal(size=shape), (100 / SLICE_UM, 4, 4))[10:-10, 20:-20, 20:-20]
    return (noise > np.quantile(noise, 1 - rng.uniform(0.03, 0.12))) * rng.lognormal(0, 0.3, noise.shape)


@dataclass(frozen=True)
class Thick:
    """A thick specimen that a generator draws, reaching `margin_px` beyond the sensors."""

    generator: str
    electrons: float = 1e5
    margin_px: int = 0

    def sample(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Readings `(S, P, P)`, and where the sensors see light, `(Z, P, P)`."""
        light = globals()[self.generator](np.random.default_rng(seed), N_PIXELS + 2 * self.margin_px)
        inside = slice(self.margin_px, self.margin_px + N_PIXELS)
        flaws = Imperfections(full_well_electrons=self.electrons)
        return measure(light, DEPTHS_UM, flaws, seed), light[:, inside, inside] > 0


CONDITIONS = {
    f"{generator}{text}": Thick(generator, **change)
    for generator in ("spheres", "blobs")
    for text, change in {
        "": {},
        ", 10 000 electrons": {"electrons": 1e4},
        ", 25 px beyond": {"margin_px": 25},
    }.items()
}


def overlap(truth: np.ndarray, mask: np.ndarray, depths_um: np.ndarray, tolerance_um: float) -> tuple[float, float]:
    """Recall and precision [%]."""
    near = (np.abs(DEPTHS_UM[:, None] - depths_um) <= tolerance_um).astype(float)
    found, true = np.tensordot(near, mask, 1) > 0, np.tensordot(near.T, truth, 1) > 0
    return 100 * float(found[truth].mean()), 100 * float(true[mask].mean()) if mask.any() else 0.0


def score(result: foci3d.Reconstruction, truth: np.ndarray) -> dict[str, float]:
    scores = {}
    for um in (100, 50):
        recall, precision = overlap(truth, result.mask, np.array(result.depths_um), um)
        scores |= {f"recall_{um}um": recall, f"precision_{um}um": precision}
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=40, help="scenes of each condition")
    parser.add_argument("--first", type=int, default=FIRST_TEST, help="seed of the first")
    parser.add_argument("--model", default="two_sensors", help="released network to compare with")
    parser.add_argument("--out", type=Path, help="CSV file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = foci3d.load_model(foci3d.released_model(arguments.model), psf=described_psf(), device="cpu")
    tables = []
    for name, condition in CONDITIONS.items():
        samples = [condition.sample(seed) for seed in range(arguments.first, arguments.first + arguments.n)]
        for kind in ("volume", "layers"):
            scores = [score(reconstruct_specimen(images, model, kind), truth) for images, truth in samples]
            tables.append(summarize(name, pd.DataFrame(scores)).assign(method=kind))
            print(kind, format_table(tables[-1]), flush=True)
    if arguments.out:
        pd.concat(tables, ignore_index=True).to_csv(arguments.out, index=False, float_format="%.3f")


if __name__ == "__main__":
    main()
