"""Whether a network says when it is wrong: its flags over all specimens and all flaws of an imager.

`PYTHONPATH=workflow/src python tests/independent/trust.py --n 20 --out trust.csv` reconstructs the scenes of
`specimens.py`, and those of `conditions.py` with an imager that is not aligned, as `foci3d reconstruct` does. Scenes
with more than twice the usual error, of the masks or, where their number is right, of the depths, should be flagged:
the area under the ROC of what the network expects, and shares that are flagged, with 95 % bootstrap intervals over
scenes.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from conditions import CONDITIONS, FIRST_TEST, N_BOOTSTRAP, Condition, described_psf, format_table, score, summarize
from sklearn.metrics import roc_auc_score
from specimens import SPECIMENS, Specimen, conditioned

import foci3d
from foci3d.learning.recalibration import Recalibration

UNUSUAL = 2.0
"""Error, relative to the usual one, from which a scene should be flagged."""

EVIDENCE = {
    "masks": ("error_percent", "expected_error_percent", "masks_flagged_percent"),
    "depths": ("depth_error_um", "depth_sd_um", "depths_flagged_percent"),
}
"""Error, what the network expects of it, and the flag."""


def flawed_imagers() -> Iterator[tuple[str, Condition]]:
    """Conditions of scenes as in the training, by their flaws."""
    for name, condition in CONDITIONS.items():
        if condition.layer == "blobs" and not condition.margin_px:
            yield name, condition


def reconstruct_all(
    model: foci3d.Model, which: dict[str, Specimen | Condition], n_samples: int, first: int
) -> pd.DataFrame:
    """One row per scene: condition, and the metrics of `score`."""
    reconstruct, rows = conditioned(model, None), []
    for name, condition in which.items():
        scores = [score(reconstruct(images), scene) for images, scene in condition.samples(n_samples, first)]
        rows.append(pd.DataFrame(scores).assign(condition=name))
        print(format_table(summarize(name, rows[-1].drop(columns="condition"))), flush=True)
    return pd.concat(rows, ignore_index=True)


def area_under_roc(is_bad: np.ndarray, evidence: np.ndarray) -> float:
    """NaN if all scenes are bad, or none."""
    return roc_auc_score(is_bad, evidence) if 0 < is_bad.mean() < 1 else np.nan


def detection(scenes: pd.DataFrame, usual: dict[str, float]) -> Iterator[dict[str, object]]:
    """Rows of the area under the ROC and of the shares flagged of good and of bad scenes, over all conditions."""
    rng = np.random.default_rng(0)
    for what, (error, expected, flagged) in EVIDENCE.items():
        is_counted = (what == "masks") | (scenes["layers_exact_percent"] == 100)
        known = scenes[is_counted & scenes[error].notna() & scenes[expected].notna()]
        is_bad, evidence = known[error].to_numpy() > UNUSUAL * usual[what], known[expected].to_numpy()
        flags = known[flagged].to_numpy()
        statistics = {
            "auroc": lambda rows, bad=is_bad, seen=evidence: area_under_roc(bad[rows], seen[rows]),
            "bad_flagged_percent": lambda rows, bad=is_bad, flags=flags: flags[rows][bad[rows]].mean(),
            "good_flagged_percent": lambda rows, bad=is_bad, flags=flags: flags[rows][~bad[rows]].mean(),
        }
        resampled = rng.integers(0, len(known), (N_BOOTSTRAP, len(known)))
        for metric, statistic in statistics.items():
            low, high = np.nanquantile([statistic(rows) for rows in resampled], (0.025, 0.975))
            yield {
                "condition": "all",
                "n": len(known),
                "metric": f"{what}_{metric}",
                "value": statistic(np.arange(len(known))),
                "ci_low": low,
                "ci_high": high,
            }


def tabulate(scenes: pd.DataFrame, recalibration: Recalibration) -> pd.DataFrame:
    """Summaries of the conditions, then those over all conditions."""
    usual = {"masks": 100 * recalibration.mask_errors.usual, "depths": recalibration.depth_errors_um.usual}
    parts = scenes.groupby("condition", sort=False)
    tables = [summarize(str(name), part.drop(columns="condition")) for name, part in parts]
    return pd.concat([*tables, pd.DataFrame(detection(scenes, usual))], ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20, help="scenes of each condition")
    parser.add_argument("--first", type=int, default=FIRST_TEST, help="seed of the first scene")
    parser.add_argument("--model", default="any_layers", help="released model")
    parser.add_argument("--out", type=Path, required=True, help="CSV file to write")
    parser.add_argument("--scenes", type=Path, help="CSV file to write with one row per scene")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = foci3d.load_model(foci3d.released_model(arguments.model), psf=described_psf(), device="cpu")
    scenes = reconstruct_all(model, SPECIMENS | dict(flawed_imagers()), arguments.n, arguments.first)
    if arguments.scenes:
        scenes.to_csv(arguments.scenes, index=False)
    table = tabulate(scenes, model.recalibration)
    table.to_csv(arguments.out, index=False, float_format="%.3f")
    print(table[table["condition"] == "all"].to_string(), flush=True)


if __name__ == "__main__":
    main()
