"""What bfloat16 changes, on images of another simulator.

`PYTHONPATH=workflow/src python tests/independent/precision.py --n 300` prints the mean change of a probability, and the
change of the share of wrong pixels [points] with a 95 % bootstrap interval over scenes, of `two_sensors` without the
average over symmetries and without recalibration.
"""

import argparse

import numpy as np
import pandas as pd
import scenes
import torch
from conditions import described_psf, format_table, summarize
from imager import measure

import foci3d


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=300, help="scenes")
    parser.add_argument("--first", type=int, default=7000, help="seed of the first scene")
    parser.add_argument("--model", default="two_sensors", help="name of a released model")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    drawn = [scenes.make_scene(scenes.blobs, arguments.first + number) for number in range(arguments.n)]
    measurements = np.stack(
        [measure(scene.layers, scene.depths_um, seed=arguments.first + number) for number, scene in enumerate(drawn)]
    )
    masks, psf = np.stack([scene.masks > 0 for scene in drawn]), described_psf()
    options = {"psf": psf, "device": "cpu", "average_symmetries": False, "recalibration": None}
    full, reduced = (
        foci3d.load_model(foci3d.released_model(arguments.model), precision=precision, **options).predict(
            measurements, n_layers=np.full(len(drawn), masks.shape[1])
        )
        for precision in ("float32", "bfloat16")
    )
    n_layers = masks.shape[1]
    full_error, reduced_error = (
        ((each.output[:, :n_layers] > 0.5) != masks).mean((1, 2, 3)) for each in (full, reduced)
    )
    changes = {
        "probability_change": np.abs(reduced.output - full.output).mean((1, 2, 3)),
        "error_change_points": 100 * (reduced_error - full_error),
        "depth_change_um": np.nanmean(np.abs(reduced.predicted_depths_um - full.predicted_depths_um), 1),
    }
    table = summarize(arguments.model, pd.DataFrame(changes))
    print(table.to_string())
    print(format_table(table))


if __name__ == "__main__":
    main()
