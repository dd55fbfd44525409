"""Specimens unlike those of the paper, on images of another simulator: the released networks, one row per specimen.

`PYTHONPATH=workflow/src python tests/independent/specimens.py --n 40 --out specimens.csv` prints a table with 95 %
bootstrap intervals over scenes and writes it. Measurements are reconstructed as `foci3d reconstruct` does: by
`two_sensors`, which always finds four layers; by `any_layers`, which finds their number; by `any_layers` where the
number is known; and by the networks for one sensor from the image of sensor A. `--methods` selects some.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scenes
import torch
from conditions import FIRST_TEST, Reconstruct, described_psf, format_table, score, summarize
from imager import N_PIXELS, measure

import foci3d
from foci3d.reconstruction.conditioning import find_conditioning


@dataclass(frozen=True)
class Specimen:
    """Layers that a generator draws; they reach `margin_px` beyond the sensors."""

    layer: str = "blobs"
    n_layers: int = 4
    margin_px: int = 0

    def samples(self, n_samples: int, first: int) -> Iterator[tuple[np.ndarray, scenes.Scene]]:
        """Measurements `(S, P, P)` with their scenes, of the part that the sensors see."""
        inside = slice(self.margin_px, self.margin_px + N_PIXELS)
        extent = N_PIXELS + 2 * self.margin_px
        for seed in range(first, first + n_samples):
            gap_um = min(200, 600 / self.n_layers)  # more layers leave shorter gaps
            scene = scenes.make_scene(getattr(scenes, self.layer), seed, extent, self.n_layers, gap_um=gap_um)
            seen = scene.layers[:, inside, inside], scene.masks[:, inside, inside]
            yield measure(scene.layers, scene.depths_um, seed=seed), scenes.Scene(*seen, scene.depths_um)


SPECIMENS = {
    **{f"{n} layers": Specimen(n_layers=n) for n in (1, 2, 3, 4, 5, 6)},
    "light from 25 px beyond": Specimen(margin_px=25),
    "speckled discs": Specimen("speckled_discs"),
    "smooth discs": Specimen("smooth_discs"),
    "filaments": Specimen("filaments"),
    "spheres": Specimen("spheres"),
    "nuclei": Specimen("nuclei"),
    "nuclei, half magnification": Specimen("small_nuclei"),
}


KNOWN = ", number known"
METHODS = (
    "two_sensors",
    "any_layers",
    f"any_layers{KNOWN}",
    "one_sensor",
    "any_layers_one_sensor",
    f"any_layers_one_sensor{KNOWN}",
)
"""Released networks, some of which are given the number of layers."""


def conditioned(model: foci3d.Model, n_layers: int | None) -> Reconstruct:
    """Reconstruct as `foci3d reconstruct` does, from the images of the sensors that the model is for."""
    n_sensors = model.description.in_channels

    def reconstruct(images: np.ndarray) -> foci3d.Reconstruction:
        measurement = images[:n_sensors].astype(np.float32)
        return foci3d.reconstruct(find_conditioning(measurement, model).apply(measurement), model, n_layers=n_layers)

    return reconstruct


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=40, help="scenes of each specimen")
    parser.add_argument("--first", type=int, default=FIRST_TEST, help="seed of the first scene")
    parser.add_argument("--specimens", nargs="*", default=[""], help="texts in the names of specimens; default: all")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=METHODS, help="default: all")
    parser.add_argument("--out", type=Path, help="CSV file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    psf, tables = described_psf(), []
    names = {method: method.removesuffix(KNOWN) for method in arguments.methods}
    models = {name: foci3d.load_model(foci3d.released_model(name), psf=psf, device="cpu") for name in {*names.values()}}
    for title, specimen in SPECIMENS.items():
        if not any(text in title for text in arguments.specimens):
            continue
        samples = [*specimen.samples(arguments.n, arguments.first)]
        for method, name in names.items():
            reconstruct = conditioned(models[name], specimen.n_layers if method.endswith(KNOWN) else None)
            scores = pd.DataFrame([score(reconstruct(images), scene) for images, scene in samples])
            tables.append(summarize(title, scores).assign(method=method))
            print(method, format_table(tables[-1]), flush=True)
            if arguments.out:
                pd.concat(tables, ignore_index=True).to_csv(arguments.out, index=False, float_format="%.3f")


if __name__ == "__main__":
    main()
