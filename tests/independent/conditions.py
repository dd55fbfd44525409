"""Errors of the released network on images of another simulator, by condition: scenes, and flaws of a real imager.

`PYTHONPATH=workflow/src python tests/independent/conditions.py --n 40 --out conditions.csv` prints a table with 95 %
bootstrap intervals over scenes and writes it. `--conditions "offset 1 x" hot` selects those whose name has a text.
`--remedy conditioned` reconstructs as `foci3d reconstruct` does, `--remedy aligned` also aligns the imager before, from
other acquisitions of such layers, and `--remedy aligned_with_cells` from three acquisitions of five single cells; by
default, measurements are reconstructed as they are.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scenes
import torch
from imager import (
    FWHM_DEG,
    N_PIXELS,
    PITCH_UM,
    SEPARATION_UM,
    STANDOFF_UM,
    Imperfections,
    measure,
    point_light,
    read_out,
)
from scipy.optimize import linear_sum_assignment

import foci3d
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.psf import PSF, depth_grid
from foci3d.reconstruction.alignment import align_measurements, align_single_cells
from foci3d.reconstruction.conditioning import find_conditioning
from foci3d.reconstruction.imager_correction import ImagerCorrection
from foci3d.reconstruction.propagation import propagate_errors

N_BOOTSTRAP = 2000
FIRST_TEST, FIRST_OTHER = 5000, 1000
"""Seeds of the first scene of a condition, and of the first that an imager is aligned with.

Thresholds of the library were chosen on scenes 0 to 99.
"""

REMEDIES = ("none", "conditioned", "aligned", "aligned_with_cells")
N_CELL_ACQUISITIONS = 3
NOISELESS = float("inf")
NO_FLAWS = Imperfections()
METRICS = {
    "layers_exact_percent": "number of layers exact [%]",
    "error_percent": "error [%]",
    "depth_error_um": "depths [um]",
    "flagged_percent": "flagged [%]",
    "expected_error_percent": "expected error [%]",
    "masks_flagged_percent": "masks flagged [%]",
    "depths_flagged_percent": "depths flagged [%]",
    "depth_sd_um": "standard deviation of depths [um]",
    "coverage_95_percent": "depths in 95 % interval [%]",
    "abstained_percent": "abstained [%]",
}


@dataclass(frozen=True)
class Condition:
    """Scenes that a generator draws, seen by an imager with flaws; layers reach `margin_px` beyond the sensors."""

    layer: str = "blobs"
    flaws: Imperfections = NO_FLAWS
    margin_px: int = 0

    def samples(self, n_samples: int, first: int = FIRST_TEST) -> Iterator[tuple[np.ndarray, scenes.Scene]]:
        """Measurements `(S, P, P)` with their scenes, of the part that the sensors see."""
        inside, extent_px = slice(self.margin_px, self.margin_px + N_PIXELS), N_PIXELS + 2 * self.margin_px
        extent_um = SEPARATION_UM + min(0, self.flaws.separation_error_um)
        for seed in range(first, first + n_samples):
            scene = scenes.make_scene(getattr(scenes, self.layer), seed, extent_px, extent_um=extent_um)
            seen = scene.layers[:, inside, inside], scene.masks[:, inside, inside]
            yield measure(scene.layers, scene.depths_um, self.flaws, seed), scenes.Scene(*seen, scene.depths_um)


CONDITIONS = {
    "nothing": Condition(),
    "nothing, no noise": Condition(flaws=Imperfections(full_well_electrons=NOISELESS)),
    "nothing, 10 000 electrons": Condition(flaws=Imperfections(full_well_electrons=1e4)),
    **{f"offset {ratio:g} x": Condition(flaws=Imperfections(offset=ratio)) for ratio in (0.5, 1, 5)},
    "offset 1 x, 10 000 electrons": Condition(flaws=Imperfections(offset=1, full_well_electrons=1e4)),
    "offset of A alone 1 x": Condition(flaws=Imperfections(offset=1, offset_b=0)),
    "5 hot pixels": Condition(flaws=Imperfections(n_hot=5)),
    "dead column": Condition(flaws=Imperfections(n_dead_columns=1)),
    **{f"gain of B {gain:g}": Condition(flaws=Imperfections(gain_b=gain)) for gain in (0.8, 0.9, 0.95, 1.2)},
    **{f"B shifted {s:g} px": Condition(flaws=Imperfections(shift_b_px=(0.8 * s, -0.6 * s))) for s in (0.5, 1, 2, 3)},
    **{f"B turned {angle:g} degrees": Condition(flaws=Imperfections(rotation_b_deg=angle)) for angle in (1, 2)},
    **{f"separation {um:+g} um": Condition(flaws=Imperfections(separation_error_um=um)) for um in (50, 100, -50, -100)},
    **{f"PSF {width:+.0%}": Condition(flaws=Imperfections(psf_width=1 + width)) for width in (0.1, -0.1)},
    "tissue 25 px beyond": Condition(margin_px=25),
    "speckled discs": Condition("speckled_discs"),
    "smooth discs": Condition("smooth_discs"),
    "single cells": Condition("single_cells"),
    "filaments": Condition("filaments"),
    "spheres": Condition("spheres"),
    "nuclei": Condition("nuclei"),
    "nuclei, half magnification": Condition("small_nuclei"),
}


def described_psf() -> PSF:
    """The point-spread function of the imager as it is described, without its flaws."""
    depths_um = depth_grid((0.0, 2000.0), 10.0)
    optics = AngularAcceptance(fwhm_deg=FWHM_DEG, standoff_um=STANDOFF_UM, linear_fill_factor=1.0)
    kernels = acceptance_kernels(optics, depths_um, N_PIXELS, PITCH_UM)
    return PSF(kernels.float(), depths_um.float(), PITCH_UM, {"source": "optics", **asdict(optics)})


Reconstruct = Callable[[np.ndarray], foci3d.Reconstruction]


def reconstruct_conditioned(
    images: np.ndarray, model: foci3d.Model, imager: ImagerCorrection | None = None
) -> foci3d.Reconstruction:
    """As `foci3d reconstruct` does."""
    measurement = images.astype(np.float32)
    found = find_conditioning(measurement, model, imager=imager)
    corrected, *variants = found.apply_with_variants(measurement)
    return propagate_errors(foci3d.reconstruct(corrected, model), variants, model)


def align_imager(remedy: str, chosen: Condition, n_align: int, model: foci3d.Model) -> ImagerCorrection:
    """Deviations of the imager of a condition, from other acquisitions."""
    if remedy == "aligned":
        others = [images.astype(np.float32) for images, _ in chosen.samples(n_align, FIRST_OTHER)]
        return align_measurements(others, model)
    images = [cells(seed, chosen.flaws) for seed in range(FIRST_OTHER, FIRST_OTHER + N_CELL_ACQUISITIONS)]
    return align_single_cells(images, model, "width" if chosen.flaws.psf_width != 1 else "separation")


def cells(seed: int, flaws: Imperfections, count: int = 5) -> np.ndarray:
    """Measurements `(S, P, P)` of single cells of about equal light, uniform in the field and in depth."""
    rng = np.random.default_rng(seed)
    deepest_um = SEPARATION_UM + min(0, flaws.separation_error_um) - 20
    points = rng.uniform([1, 1, 20, 0.5], [N_PIXELS - 2, N_PIXELS - 2, deepest_um, 1.5], (count, 4))
    return read_out(point_light(points, flaws), flaws, rng)


def make_reconstruct(remedy: str, chosen: Condition, n_align: int, path: Path) -> Reconstruct:
    """How to reconstruct the measurements of a condition."""
    psf = described_psf()
    model = foci3d.load_model(path, psf=psf, device="cpu")
    if remedy == "none":
        return lambda images: foci3d.reconstruct(images, model)
    if remedy == "conditioned":
        return lambda images: reconstruct_conditioned(images, model)
    imager = align_imager(remedy, chosen, n_align, model)
    print(imager, flush=True)
    separation_um = imager.sensor_separation_um
    aligned = foci3d.load_model(path, psf=imager.scale_psf(psf), device="cpu", sensor_separation_um=separation_um)
    return lambda images: reconstruct_conditioned(images, aligned, imager)


def align_layers(result: foci3d.Reconstruction, scene: scenes.Scene) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks `(L, Y, X)`, depths and standard deviations `(L,)` found of each layer of a scene.

    Where another number of layers is found, they are assigned for the fewest wrong pixels. A layer that is missed is
    empty and has no depth; the cells of one too many are added where they are wrong.
    """
    mask, depths = result.mask, np.array([result.depths_um, result.depth_sds_um])
    if len(mask) == len(scene.masks):
        return mask, *depths
    wrong = (mask[:, None] != scene.masks).mean((2, 3)) - scene.masks.mean((1, 2))  # beside a layer that is missed
    found, true = linear_sum_assignment(wrong)
    aligned, values = np.zeros_like(scene.masks), np.full((2, len(scene.masks)), np.nan)
    aligned[true], values[:, true] = mask[found], depths[:, found]
    for phantom in np.setdiff1d(np.arange(len(mask)), found):
        for pixel in zip(*mask[phantom].nonzero(), strict=True):
            right = aligned[:, *pixel] == scene.masks[:, *pixel]
            aligned[right.argmax(), *pixel] ^= bool(right.any())
    return aligned, *values


def score(result: foci3d.Reconstruction, scene: scenes.Scene) -> dict[str, float]:
    """Metrics of one reconstruction; depths of layers with cells, of which a missed one is outside its interval."""
    occupied = scene.masks.any((1, 2))
    mask, depths_um, sds_um = align_layers(result, scene)
    errors_um, quality = np.abs(depths_um - scene.depths_um)[occupied], result.quality
    return {
        "layers_exact_percent": 100.0 * (len(result.mask) == len(scene.masks)),
        "error_percent": 100 * float((mask != scene.masks).mean()),
        "depth_error_um": float(np.nanmean(errors_um)),
        "flagged_percent": 100.0 * bool(quality.flagged),
        "expected_error_percent": 100 * (np.nan if quality.expected_error is None else quality.expected_error),
        "masks_flagged_percent": 100.0 * bool(quality.masks_flagged),
        "depths_flagged_percent": 100.0 * bool(quality.depths_flagged),
        "depth_sd_um": np.nan if quality.depth_sd_um is None else quality.depth_sd_um,
        "coverage_95_percent": 100 * float((errors_um <= 1.96 * sds_um[occupied]).mean()),
        "abstained_percent": 100 * (quality.abstained or 0.0),
    }


def summarize(name: str, scores: pd.DataFrame) -> pd.DataFrame:
    """Mean and 95 % bootstrap interval of each metric over the scenes in which it is defined."""
    rng, scores = np.random.default_rng(0), scores.dropna(axis=1, how="all")
    means = np.nanmean(scores.to_numpy()[rng.integers(0, len(scores), (N_BOOTSTRAP, len(scores)))], 1)
    low, high = np.quantile(means, (0.025, 0.975), axis=0)
    columns = {"metric": scores.columns, "value": scores.mean().to_numpy(), "ci_low": low, "ci_high": high}
    return pd.DataFrame({"condition": name, "n": len(scores), **columns})


def format_table(table: pd.DataFrame) -> str:
    """One line per condition, with the interval of each metric."""
    texts = table.assign(text=[f"{r.value:.1f} ({r.ci_low:.1f} to {r.ci_high:.1f})" for r in table.itertuples()])
    wide = texts.pivot_table("text", ["condition", "n"], "metric", aggfunc="first", sort=False)
    return wide.rename(columns=METRICS).to_string()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=40, help="scenes of each condition")
    parser.add_argument("--conditions", nargs="*", default=[""], help="texts in the names of conditions; default: all")
    parser.add_argument("--remedy", choices=REMEDIES, default="none")
    parser.add_argument("--network", type=Path, default=foci3d.released_model("two_sensors"), help="model (JSON)")
    parser.add_argument("--first", type=int, default=FIRST_TEST, help="seed of the first scene")
    parser.add_argument("--align", type=int, default=20, help="acquisitions to align from")
    parser.add_argument("--out", type=Path, help="CSV file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    chosen = {name: each for name, each in CONDITIONS.items() if any(text in name for text in arguments.conditions)}
    tables = []
    for name, chosen_condition in chosen.items():
        reconstruct = make_reconstruct(arguments.remedy, chosen_condition, arguments.align, arguments.network)
        scores = [
            score(reconstruct(images), scene)
            for images, scene in chosen_condition.samples(arguments.n, arguments.first)
        ]
        tables.append(summarize(name, pd.DataFrame(scores)).assign(remedy=arguments.remedy))
        print(format_table(tables[-1]), flush=True)
        if arguments.out:
            pd.concat(tables, ignore_index=True).to_csv(arguments.out, index=False, float_format="%.3f")


if __name__ == "__main__":
    main()
