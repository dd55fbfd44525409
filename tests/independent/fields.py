"""Fields of any size with light from everywhere, on images of another simulator: one row per size and network.

`PYTHONPATH=workflow/src python tests/independent/fields.py --n 10 --out fields.csv` prints a table with 95 % bootstrap
intervals over fields and writes it. Layers reach 25 pixels beyond the sensors.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import scenes
import torch
from conditions import FIRST_TEST, align_layers, described_psf, format_table, summarize
from imager import Imperfections, heights_um, project, read_out

import foci3d
from foci3d.reconstruction.conditioning import condition

MARGIN_PX, EDGE_PX = 25, 8
METHODS = {"two_sensors": None, "any_layers": None, "any_layers, number known": 4}


def make_field(seed: int, n_pixels: int) -> tuple[np.ndarray, scenes.Scene]:
    """Readings `(S, P, P)` and what the sensors see of the scene."""
    scene = scenes.make_scene(scenes.blobs, seed, n_pixels + 2 * MARGIN_PX)
    flaws, inside = Imperfections(), slice(MARGIN_PX, MARGIN_PX + n_pixels)
    heights = heights_um(scene.depths_um, flaws)
    light = np.stack([project(scene.layers, each, (0.0, 0.0), n_pixels) for each in heights])
    images = read_out(light, flaws, np.random.default_rng(seed))
    return images, scenes.Scene(scene.layers[:, inside, inside], scene.masks[:, inside, inside], scene.depths_um)


def score(result: foci3d.Reconstruction, scene: scenes.Scene, seconds: float) -> dict[str, float]:
    """Errors of the pixels near the edges and of the others; depths of the layers, and whether intervals hold them."""
    mask, depths_um, sds_um = align_layers(result, scene)
    is_inner = np.zeros(mask.shape[1:], bool)
    is_inner[EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX] = True
    wrong, errors_um = mask != scene.masks, np.abs(depths_um - scene.depths_um)
    inner, outer = 100 * wrong[:, is_inner].mean(), 100 * wrong[:, ~is_inner].mean()
    return {
        "layers_exact_percent": 100.0 * (len(result.mask) == len(scene.masks)),
        "error_percent": 100 * float(wrong.mean()),
        "inner_error_percent": inner,
        "outer_error_percent": outer,
        "depth_error_um": float(np.nanmean(errors_um)),
        "worst_depth_error_um": float(np.nanmax(errors_um)),
        "coverage_95_percent": 100 * float((errors_um <= 1.96 * sds_um).mean()),
        "flagged_percent": 100.0 * bool(result.quality.flagged),
        "tiles_flagged_percent": 100 * float(np.mean(np.logical_or(*result.quality.flag_tiles(result.tiles)))),
        "abstained_percent": 100 * (result.quality.abstained or 0.0),
        "seconds_per_megapixel": seconds / mask[0].size * 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10, help="fields of each size")
    parser.add_argument("--sizes", type=int, nargs="*", default=[51, 128, 256], help="pixels in y and in x")
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--first", type=int, default=FIRST_TEST, help="seed of the first field")
    parser.add_argument("--out", type=Path, help="CSV file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    psf, tables = described_psf(), []
    for size in arguments.sizes:
        fields = [make_field(seed, size) for seed in range(arguments.first, arguments.first + arguments.n)]
        for method in arguments.methods:
            name = method.split(",")[0]
            model = foci3d.load_model(foci3d.released_model(name), psf=psf, device="cpu")
            scores = []
            for images, scene in fields:
                start = time.process_time()
                values, _ = condition(images[None].astype(np.float32), model)
                result = foci3d.reconstruct(values[0], model, n_layers=METHODS[method])
                scores.append(score(result, scene, time.process_time() - start))
            tables.append(summarize(f"{size} x {size}", pd.DataFrame(scores)).assign(method=method))
            print(method, format_table(tables[-1]), flush=True)
            if arguments.out:
                pd.concat(tables, ignore_index=True).to_csv(arguments.out, index=False, float_format="%.3f")


if __name__ == "__main__":
    main()
