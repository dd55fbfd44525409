"""Apply a trained network to the test splits of its test datasets, and score it.

Reads the model (JSON and safetensors), the PSF and shards (HDF5); writes for each dataset the outputs, targets and
measurements of the samples (HDF5), a table of the samples and a summary with 95 % bootstrap intervals (CSV), and for
probabilities of cells the ROC curves (CSV).
"""

from itertools import zip_longest
from pathlib import Path
from typing import Any

from foci3d.evaluation.score_files import save_scores
from foci3d.io.shards import group_by_dataset
from foci3d.learning.model import load_model
from foci3d.learning.prediction import predict_dataset
from foci3d.workflow.job import run_job


def main(
    model: Path,
    psf: Path,
    test: list[Path],
    depth_ranges_um: dict[str, tuple[float, float]],
    inference: dict[str, Any],
    n_bootstrap: int,
    seed: int,
    predictions: list[Path],
    samples: list[Path],
    summary: list[Path],
    roc: list[Path] = [],  # noqa: B006
) -> None:
    trained = load_model(model, psf=psf, recalibration=None, **inference)
    splits = group_by_dataset(test)
    files = zip_longest(depth_ranges_um.items(), predictions, samples, summary, roc)
    for (dataset, depth_range_um), path, *tables in files:
        predicted = predict_dataset(trained, splits[dataset], dataset)
        predicted.save(path)
        save_scores(predicted, depth_range_um[1], n_bootstrap, seed, *tables)


if __name__ == "__main__":
    run_job(main)
