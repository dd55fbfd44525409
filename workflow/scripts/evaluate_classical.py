"""Apply classical methods to the test splits of their test datasets, tuned on a validation split, and score them.

Reads the PSF and shards (HDF5); writes what `evaluate_network` writes, for each method and dataset, without ROC curves.
"""

from pathlib import Path

from foci3d.classical.baselines import Baseline
from foci3d.config.models import BaselineConfig
from foci3d.evaluation.score_files import save_scores
from foci3d.io.shards import group_by_dataset, read_shards
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.workflow.job import run_job

# Enough to choose among a few candidates, because each sample has thousands of pixels.
MAX_VALIDATION_SAMPLES = 200


def main(
    psf: Path,
    validation: list[Path],
    test: list[Path],
    methods: dict[str, BaselineConfig],
    depth_ranges_um: dict[str, tuple[float, float]],
    sensor_separation_um: float,
    n_bootstrap: int,
    seed: int,
    predictions: list[Path],
    samples: list[Path],
    summary: list[Path],
) -> None:
    kernels, tuning = PSF.load(psf), read_shards(validation)[:MAX_VALIDATION_SAMPLES]
    n_sensors, n_pixels = tuning.measurements.shape[1:3]
    forward = ForwardModel(kernels, n_pixels, n_sensors, sensor_separation_um)
    splits = {name: read_shards(paths) for name, paths in group_by_dataset(test).items()}
    files = zip(predictions, samples, summary, strict=True)
    for name, config in methods.items():
        tuned_on = tuning, depth_ranges_um[config.dataset]
        baseline = Baseline.from_config(name, config, forward, kernels.digest, *tuned_on, seed)
        for dataset in config.test_datasets:
            path, *tables = next(files)
            predicted = baseline.predict_samples(splits[dataset], dataset, depth_ranges_um[dataset])
            predicted.save(path)
            save_scores(predicted, depth_ranges_um[dataset][1], n_bootstrap, seed, *tables)


if __name__ == "__main__":
    run_job(main)
