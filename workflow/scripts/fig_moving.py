"""Draw Figs. 5 and 6: a cluster of cells that moves through the layers.

Reads predictions of moving clusters (HDF5), their table of samples, their summary and their ROC curves (CSV). Draws a
sequence in space (5a) and as reconstructed by a network (5b), sensitivity and specificity by layer (6a), and the ROC
curves (6b). The sequence is one with a large, central cluster and an error near the median.
"""

from pathlib import Path

import pandas as pd

from foci3d.io.predictions import Predictions
from foci3d.plots import moving, style
from foci3d.plots.selection import visible_sequence
from foci3d.workflow.job import run_job


def main(
    predictions: Path,
    samples: Path,
    summary: Path,
    roc: Path,
    pixel_pitch_um: float,
    sensor_separation_um: float,
    fig5a: list[Path],
    fig5b: list[Path],
    fig6a: list[Path],
    fig6b: list[Path],
) -> None:
    style.use_style()
    test = Predictions.load(predictions)
    shown = visible_sequence(pd.read_csv(samples), test.samples)
    steps, clusters = moving.read_sequence(test, shown)
    sensor_planes_um = (0.0, sensor_separation_um)[: len(steps[0].measurements)]
    style.save(moving.scheme(steps, clusters, pixel_pitch_um, sensor_planes_um), *fig5a)
    style.save(moving.step_by_step(steps, clusters, pixel_pitch_um), *fig5b)
    style.save(moving.rates(pd.read_csv(summary)), *fig6a)
    style.save(moving.roc(pd.read_csv(roc)), *fig6b)


if __name__ == "__main__":
    run_job(main)
