"""Errors of an alignment from single cells, of imagers of another simulator whose deviations are drawn at random.

`PYTHONPATH=workflow/src python tests/independent/alignment.py --n 40 --out alignment.csv` aligns each imager from three
acquisitions of five cells and prints, for each deviation, the mean and largest absolute error and the share within two
standard errors.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from conditions import cells, described_psf
from imager import SEPARATION_UM, Imperfections

from foci3d.reconstruction.cell_alignment import align_cells

N_ACQUISITIONS, FIRST_SEED = 3, 5000
LARGEST = {"gain_b": 0.2, "shift_y_px": 3.0, "shift_x_px": 3.0, "rotation_deg": 2.0, "sensor_separation_um": 100.0}


def align_random_imager(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the deviations in `LARGEST`, and their standard errors."""
    drawn = np.random.default_rng(number).uniform(-1, 1, len(LARGEST)) * list(LARGEST.values())
    gain, shift_y, shift_x, angle, separation = drawn
    flaws = Imperfections(
        gain_b=1 + gain, shift_b_px=(shift_y, shift_x), rotation_b_deg=angle, separation_error_um=separation
    )
    seeds = FIRST_SEED + N_ACQUISITIONS * number + np.arange(N_ACQUISITIONS)
    found, errors = align_cells([cells(seed, flaws) for seed in seeds], described_psf(), SEPARATION_UM)
    units = np.array([1, 1, 1, 1, SEPARATION_UM])
    return (found - [1, 0, 0, 0, 1]) * units - drawn, errors * units


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=40, help="imagers")
    parser.add_argument("--out", type=Path, help="CSV file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    errors, standard_errors = np.moveaxis([align_random_imager(number) for number in range(arguments.n)], 1, 0)
    columns = {
        "n": arguments.n,
        "mean_error": abs(errors).mean(0),
        "largest_error": abs(errors).max(0),
        "mean_standard_error": standard_errors.mean(0),
        "within_two_percent": 100 * (abs(errors) <= 2 * standard_errors).mean(0),
    }
    table = pd.DataFrame({"deviation": list(LARGEST), **columns})
    print(table.to_string())
    if arguments.out:
        table.to_csv(arguments.out, index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
