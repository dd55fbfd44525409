"""Import the predictions of a benchmark entry.

Reads arrays output and depths_um of all test samples (HDF5 or NPZ), the test shards (HDF5) and the fingerprints of the
frozen datasets (YAML); writes outputs, targets and measurements to HDF5, as `predict` does.
"""

from pathlib import Path

import numpy as np
import torch

from foci3d.config.models import DatasetConfig
from foci3d.config.tasks import TASKS, OutputKind
from foci3d.evaluation import benchmark
from foci3d.io.predictions import COPIES, Predictions
from foci3d.io.shards import read_shards
from foci3d.learning.tasks import make_task
from foci3d.workflow.job import run_job


def main(
    entry: Path,
    test: list[Path],
    frozen: Path,
    network: str,
    dataset: str,
    dataset_config: DatasetConfig,
    predictions: Path,
) -> None:
    samples, classes_um = read_shards(test), dataset_config.depth_classes_um
    spec = TASKS[benchmark.require_frozen(benchmark.read_frozen(frozen), dataset, samples).task]
    target = make_task(spec.name, dataset_config.n_layers, classes_um).target(samples.map(torch.from_numpy)).numpy()
    is_classes = spec.kind is OutputKind.CLASS_PROBABILITIES
    shape = (len(target), len(classes_um)) if is_classes else target.shape
    values, max_depth_um = benchmark.read_entry(entry), dataset_config.depth_range_um[1]
    benchmark.check_entry(entry, values, spec, samples.depths_um, shape, max_depth_um)
    results = {"output": values["output"].astype(np.float32), "target": target}
    results |= {name: copied for name, copied in samples.arrays().items() if name in COPIES}
    if classes_um:
        results["classes_um"] = np.array(classes_um, np.float32)
    Predictions(network, dataset, spec.name, results, {}).save(predictions)


if __name__ == "__main__":
    run_job(main, snakemake)
