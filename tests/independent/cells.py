"""Localization of single cells on images of another simulator, one row per condition.

`PYTHONPATH=workflow/src python tests/independent/cells.py --n 40 --out cells.csv` prints a table with 95 % bootstrap
intervals over scenes and writes it. A cell is found if a point is within 1 pixel and 100 um. The bound is that of
Cramer and Rao at the true points, with the true noise; the baseline is non-negative least squares on a grid of depths.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from conditions import described_psf, format_table, summarize
from imager import N_PIXELS, SEPARATION_UM, Imperfections, measure_light, point_light, read_out
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from skimage.feature import peak_local_max

from foci3d.classical.background import InnerProduct, constant_background
from foci3d.classical.methods import nonnegative_least_squares
from foci3d.classical.points import PointLocalizer
from foci3d.optics.forward import ForwardModel
from foci3d.optics.points import DEPTH, PointOptics

MAX_LATERAL_PX, MAX_DEPTH_UM = 1.0, 100.0
GRID_UM = np.arange(50.0, 1000.0, 50.0)
TISSUE_DEPTHS_UM = np.linspace(60, 940, 8)


IDEAL = Imperfections()


@dataclass(frozen=True)
class Condition:
    """Cells of about equal light, uniform in the field and in depth; backgrounds are relative to their peak."""

    n_cells: int = 20
    flaws: Imperfections = IDEAL
    n_sensors: int = 2
    offset: float = 0.0  # constant light
    tissue: float = 0.0  # mean light of smooth tissue at eight depths
    radius_px: float = 0.0  # of discs

    def sample(self, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Readings `(S, P, P)`, cells `(N, 4)`, the light of all that is not cells, and readings per light."""
        rng = np.random.default_rng(seed)
        low, high = np.array([[1, 1, 20, 0.5], [N_PIXELS - 2, N_PIXELS - 2, SEPARATION_UM - 20, 1.5]])
        cells = rng.uniform(low, high, (self.n_cells, 4))
        light = point_light(self._spread(cells), self.flaws)[: self.n_sensors]
        background = np.full_like(light, self.offset * light.max())
        if self.tissue:
            background += self._tissue(rng) * self.tissue * light.max()
        total = light + background
        return read_out(total, self.flaws, rng)[: self.n_sensors], cells, background, 0.8 / total.max()

    def _spread(self, cells: np.ndarray) -> np.ndarray:
        """Points of discs: a ring of two thirds and a middle of one third."""
        if not self.radius_px:
            return cells
        angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        ring = [np.array([np.sin(a), np.cos(a), 0, 0]) * self.radius_px * 0.866 for a in angles]
        shares = [1 / 3] + [2 / 3 / 12] * 12
        moved = [cells + offset for offset in (np.zeros(4), *ring)]
        return np.concatenate([m * [1, 1, 1, share] for m, share in zip(moved, shares, strict=True)])

    def _tissue(self, rng: np.random.Generator) -> np.ndarray:
        noise = rng.normal(size=(len(TISSUE_DEPTHS_UM), N_PIXELS + 40, N_PIXELS + 40))
        smooth = ndimage.gaussian_filter(noise, (0, 5, 5))[:, 20:-20, 20:-20]
        tissue = measure_light(np.exp(0.5 * smooth / smooth.std((1, 2), keepdims=True)), TISSUE_DEPTHS_UM, self.flaws)
        return (tissue / tissue.mean())[: self.n_sensors]


DIM = Imperfections(full_well_electrons=1e4)
CONDITIONS = {
    **{f"{n} cells": Condition(n) for n in (1, 5, 20, 50)},
    **{f"{n} cells, 10 000 electrons": Condition(n, DIM) for n in (5, 20)},
    "20 cells, background 1 x": Condition(20, offset=1),
    **{f"5 cells, tissue {r:g} x": Condition(5, tissue=r) for r in (0.1, 0.5)},
    "20 cells, tissue 0.5 x": Condition(20, tissue=0.5),
    "5 cells, tissue 0.5 x, 10 000 electrons": Condition(5, DIM, tissue=0.5),
    **{f"{n} cells, one sensor": Condition(n, n_sensors=1) for n in (5, 20)},
    "20 discs of radius 1 px": Condition(20, radius_px=1.0),
    "20 cells, PSF +2%": Condition(20, Imperfections(psf_width=1.02)),
    "20 cells, B shifted 0.2 px": Condition(20, Imperfections(shift_b_px=(0.16, -0.12))),
}


def matches(cells: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the cells that are found, and of their points; the assignment with most pairs, then the nearest."""
    lateral = np.hypot(*(cells[:, None, axis] - found[None, :, axis] for axis in (0, 1))) / MAX_LATERAL_PX
    depth = abs(cells[:, None, 2] - found[None, :, 2]) / MAX_DEPTH_UM
    costs = np.where((lateral <= 1) & (depth <= 1), lateral + depth, 1e6)
    rows, columns = linear_sum_assignment(costs)
    paired = costs[rows, columns] < 1e6
    return rows[paired], columns[paired]


def f1_score(cells: np.ndarray, found: np.ndarray) -> float:
    return 2 * len(matches(cells, found)[0]) / (len(cells) + len(found))


def bounds_um(optics: PointOptics, condition: Condition, cells: np.ndarray, background: np.ndarray, scale: float):
    """Cramer-Rao bounds of depth `(N,)`, of points of unknown place, depth and brightness on unknown constants."""
    points = np.insert(cells, 3, 0.0, 1)
    full, flaws = condition.flaws.full_well_electrons, condition.flaws
    light = (optics.images(points).sum(0) + background) * scale
    noise = light / full + (flaws.read_noise_electrons / full) ** 2 + 2.0 ** (-2 * flaws.adc_bits) / 12
    product = InnerProduct(noise, constant_background(condition.n_sensors, N_PIXELS**2))
    derivatives = scale * optics.derivatives(points)[:, [0, 1, 2, 4]].reshape(-1, *light.shape)
    information, _ = product.normal_equations(derivatives, light)
    return np.sqrt(np.linalg.inv(information).diagonal()[DEPTH::4])


def least_squares_points(forward: ForwardModel, readings: np.ndarray) -> np.ndarray:
    """Local maxima in 3-D of non-negative layers 50 um apart, brighter than a tenth of the brightest."""
    operator = forward.at(torch.from_numpy(GRID_UM)[None].float())
    volume = nonnegative_least_squares(torch.from_numpy(readings)[None].float(), operator, 150)[0].numpy()
    peaks = peak_local_max(volume, min_distance=1, threshold_rel=0.1, exclude_border=False)
    return np.stack([peaks[:, 1], peaks[:, 2], GRID_UM[peaks[:, 0]]], 1) if len(peaks) else np.zeros((0, 3))


def score(condition: Condition, seed: int, localizer: PointLocalizer, forward: ForwardModel) -> dict[str, float]:
    """Metrics of one scene."""
    readings, cells, background, scale = condition.sample(seed)
    started = time.process_time()
    fit = localizer.localize(readings)
    seconds = time.process_time() - started
    found, points = matches(cells, fit.points)
    errors_um = abs(cells[found, 2] - fit.points[points, DEPTH])
    limits_um = bounds_um(localizer.optics, condition, cells, background, scale)
    inside = abs(cells[found, :3] - fit.points[points, :3]) <= 1.96 * fit.standard_errors[points, :3]
    return {
        "f1_percent": 100 * f1_score(cells, fit.points),
        "baseline_f1_percent": 100 * f1_score(cells, least_squares_points(forward, readings)),
        "depth_error_um": float(np.median(errors_um)) if len(found) else MAX_DEPTH_UM,
        "bound_um": float(0.6745 * np.median(limits_um)),
        "coverage_95_percent": 100 * float(inside[:, DEPTH].mean()) if len(found) else 0.0,
        "lateral_coverage_95_percent": 100 * float(inside[:, :DEPTH].mean()) if len(found) else 0.0,
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=40, help="scenes of each condition")
    parser.add_argument("--conditions", nargs="*", default=[""], help="texts in the names of conditions; default: all")
    parser.add_argument("--out", type=Path, help="CSV file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    psf = described_psf()
    sensors = {n: [0.0, SEPARATION_UM][:n] for n in (1, 2)}
    localizers = {n: PointLocalizer(PointOptics(psf, depths_um)) for n, depths_um in sensors.items()}
    forwards = {n: ForwardModel(psf, N_PIXELS, n, SEPARATION_UM) for n in sensors}
    chosen = {name: each for name, each in CONDITIONS.items() if any(text in name for text in arguments.conditions)}
    tables = []
    for name, condition in chosen.items():
        n_sensors = condition.n_sensors
        scores = [score(condition, seed, localizers[n_sensors], forwards[n_sensors]) for seed in range(arguments.n)]
        tables.append(summarize(name, pd.DataFrame(scores)))
        print(format_table(tables[-1]), flush=True)
    table = pd.concat(tables, ignore_index=True)
    print(format_table(table))
    if arguments.out:
        table.to_csv(arguments.out, index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
