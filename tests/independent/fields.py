"""Fields of any size with light from everywhere, on images of another simulator: one row per size and network.

`PYTHONPATH=workflow/src python tests/independent/fields.py --n 10 --out fields.csv` prints a table with 95 % bootstrap
intervals over fields and writes it. Layers reach 25 pixels beyond the sensors; with `--tilt-um`, they are tilted.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import scenes
import torch
from conditions import FIRST_TEST, align_layers, described_psf, format_table, summarize
from imager import SEPARATION_UM, Imperfections, heights_um, project, read_out

import foci3d
from foci3d.reconstruction.conditioning import find_conditioning

MARGIN_PX, EDGE_PX = 25, 8
N_STRIPS, MIN_DEPTH_UM = 9, 5.0
METHODS = {"two_sensors": None, "any_layers": None, "any_layers, number known": 4}


def make_field(seed: int, n_pixels: int, tilt_um: float = 0.0) -> tuple[np.ndarray, scenes.Scene, np.ndarray]:
    """Readings `(S, P, P)`, what the sensors see of the scene, and depths `(L, P)` of each layer by column.

    The depth of each layer changes by up to `tilt_um` from the first column to the last, of each by another amount, so
    that the distances between layers change, too.
    """
    extent = n_pixels + 2 * MARGIN_PX
    scene, flaws, inside = scenes.make_scene(scenes.blobs, seed, extent), Imperfections(), slice(MARGIN_PX, -MARGIN_PX)
    tilts = np.random.default_rng((seed, 1)).uniform(-tilt_um, tilt_um, len(scene.layers))
    place = (np.arange(extent) - (extent - 1) / 2) / (n_pixels - 1)
    depths_um = (scene.depths_um[:, None] + np.outer(tilts, place)).clip(MIN_DEPTH_UM, SEPARATION_UM - MIN_DEPTH_UM)
    light = np.zeros((2, n_pixels, n_pixels))
    middles = np.linspace(0, extent - 1, N_STRIPS) if tilt_um else np.array([(extent - 1) / 2])
    for middle, weight in zip(middles, np.eye(len(middles)), strict=True):
        strip = scene.layers * np.interp(np.arange(extent), middles, weight)
        heights = heights_um(depths_um[:, round(middle)], flaws)
        light += np.stack([project(strip, each, (0.0, 0.0), n_pixels) for each in heights])
    images, depths_um = read_out(light, flaws, np.random.default_rng(seed)), depths_um[:, inside]
    seen = scenes.Scene(scene.layers[:, inside, inside], scene.masks[:, inside, inside], depths_um.mean(1))
    return images, seen, depths_um


def score_foci(result: foci3d.Reconstruction, true_depths_um: np.ndarray) -> dict[str, float]:
    """Depths of foci against `true_depths_um (L, P)` at their columns, where the number of layers is right.

    The tilt is the slope of a straight line through found and true depths, both without the means of their layers.
    """
    names = ("focus_depth_error_um", "focus_coverage_95_percent", "tilt_found_percent")
    if len(result.mask) != len(true_depths_um) or not len(result.foci):
        return dict.fromkeys(names, np.nan)
    columns = (result.foci["x_um"] / result.pixel_pitch_um).astype(int)
    foci = result.foci.assign(true_um=true_depths_um[result.foci["layer"] - 1, columns])
    errors_um = (foci["depth_um"] - foci["true_um"]).abs()
    found, true = (foci[name] - foci.groupby("layer")[name].transform("mean") for name in ("depth_um", "true_um"))
    is_tilted = np.ptp(true_depths_um, 1).max() > 0
    tilt = 100 * float(found @ true / (true @ true)) if is_tilted else np.nan
    return dict(
        zip(names, (errors_um.mean(), 100 * (errors_um <= 1.96 * foci["depth_sd_um"]).mean(), tilt), strict=True)
    )


def score(
    result: foci3d.Reconstruction, scene: scenes.Scene, true_depths_um: np.ndarray, seconds: float
) -> dict[str, float]:
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
        **score_foci(result, true_depths_um),
        "flagged_percent": 100.0 * bool(result.quality.flagged),
        "tiles_flagged_percent": 100 * float(np.mean(np.logical_or(*result.quality.flag_tiles(result.tiles)))),
        "abstained_percent": 100 * (result.quality.abstained or 0.0),
        "seconds_per_megapixel": seconds / mask[0].size * 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10, help="fields of each size")
    parser.add_argument("--sizes", type=int, nargs="*", default=[51, 128, 256], help="pixels in y and in x")
    parser.add_argument("--tilt-um", type=float, default=0.0, help="largest change of a depth over the field")
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--first", type=int, default=FIRST_TEST, help="seed of the first field")
    parser.add_argument("--out", type=Path, help="CSV file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    psf, tables = described_psf(), []
    for size in arguments.sizes:
        fields = [
            make_field(seed, size, arguments.tilt_um) for seed in range(arguments.first, arguments.first + arguments.n)
        ]
        for method in arguments.methods:
            model = foci3d.load_model(foci3d.released_model(method.split(",")[0]), psf=psf, device="cpu")
            scores = []
            for images, scene, depths_um in fields:
                start = time.process_time()
                measurement = images.astype(np.float32)
                measurement = find_conditioning(measurement, model).apply(measurement)
                result = foci3d.reconstruct(measurement, model, n_layers=METHODS[method])
                scores.append(score(result, scene, depths_um, time.process_time() - start))
            name = f"{size} x {size}" + (f", tilted by {arguments.tilt_um:g} um" if arguments.tilt_um else "")
            tables.append(summarize(name, pd.DataFrame(scores)).assign(method=method))
            print(method, format_table(tables[-1]), flush=True)
            if arguments.out:
                pd.concat(tables, ignore_index=True).to_csv(arguments.out, index=False, float_format="%.3f")


if __name__ == "__main__":
    main()
