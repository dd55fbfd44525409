"""Import and score the predictions of a benchmark entry.

Reads arrays output and depths_um of all test samples (HDF5 or NPZ), the test shards (HDF5) and the fingerprints of the
frozen datasets (YAML); writes outputs, targets and measurements to HDF5, and scores to CSV, as `evaluate_network` does.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from foci3d.config.datasets import DatasetConfig
from foci3d.config.tasks import TASKS, OutputKind, TaskSpec
from foci3d.errors import InputError
from foci3d.evaluation.score_files import save_scores
from foci3d.io.archives import read_archive
from foci3d.io.predictions import Predictions
from foci3d.io.samples import Outputs
from foci3d.io.shards import read_shards
from foci3d.learning.tasks import make_task
from foci3d.workflow.job import run_job
from frozen_datasets import read_frozen, require_frozen

SUM_TOLERANCE = 1e-3
"""By which the probabilities of the depths of a sample may miss a sum of 1."""


def read_entry(path: str | Path) -> dict[str, npt.NDArray[Any]]:
    """Arrays `output` and `depths_um` of a predictions file.

    Parameters
    ----------
    path : str or Path
        A file of `foci3d.io.predictions` (``.h5``), or of `numpy.savez` (``.npz``).

    Raises
    ------
    InputError
        If the file cannot be read or lacks an array.
    """
    path = Path(path)
    if path.suffix == ".h5":
        predictions = Predictions.load(path)
        return {"output": predictions.outputs.output, "depths_um": predictions.samples.depths_um}
    return read_archive(path, ("output", "depths_um"))


def check_entry(
    path: str | Path,
    entry: Mapping[str, npt.NDArray[Any]],
    spec: TaskSpec,
    depths_um: npt.NDArray[Any],
    shape: tuple[int, ...],
    max_depth_um: float,
) -> None:
    """Check the arrays of a predictions file.

    Parameters
    ----------
    path : str or Path
        The file, for messages.
    entry : mapping of str to ndarray
        Its arrays `output` and `depths_um`.
    spec : TaskSpec
        What the method predicts.
    depths_um : ndarray (N, L)
        Depths of the layers of the test samples [um].
    shape : tuple of int
        Shape that the output must have.
    max_depth_um : float
        Largest depth of the dataset [um].

    Raises
    ------
    InputError
        If the depths are not those of the test samples, or the output has another shape, is not finite or not in range.
    """
    output = entry["output"]
    if entry["depths_um"].shape != depths_um.shape or not np.allclose(entry["depths_um"], depths_um, rtol=1e-5):
        raise InputError(
            f"{path}: depths_um {entry['depths_um'].shape} are not those of the test samples {depths_um.shape}; "
            "expected predictions for all test samples in their order, and depths_um copied from the shards."
        )
    if output.shape != shape or output.dtype.kind != "f":
        raise InputError(
            f"{path}: output has shape {output.shape} and type {output.dtype}; expected {shape} of floating-point "
            f"numbers for the task {spec.name}, correct it."
        )
    low, high = spec.value_range[0], spec.value_range[1] or max_depth_um
    if not np.isfinite(output).all() or output.min() < low or output.max() > high:
        raise InputError(
            f"{path}: output has values from {output.min():g} to {output.max():g}; expected finite numbers from "
            f"{low:g} to {high:g} for the task {spec.name}, correct it."
        )
    if spec.kind is OutputKind.CLASS_PROBABILITIES and abs(output.sum(1) - 1).max() > SUM_TOLERANCE:
        raise InputError(
            f"{path}: output has sums from {output.sum(1).min():g} to {output.sum(1).max():g} over the depths; "
            "expected probabilities with a sum of 1, normalize them."
        )


def main(
    entry: Path,
    test: list[Path],
    frozen: Path,
    network: str,
    dataset: str,
    dataset_config: DatasetConfig,
    n_bootstrap: int,
    seed: int,
    predictions: Path,
    samples: Path,
    summary: Path,
) -> None:
    seen, classes_um = read_shards(test), dataset_config.depth_classes_um
    spec = TASKS[require_frozen(read_frozen(frozen), dataset, seen).task]
    target = make_task(spec.name, dataset_config.n_layers, classes_um).target(seen.map(torch.from_numpy)).numpy()
    is_classes = spec.kind is OutputKind.CLASS_PROBABILITIES
    shape = (len(target), len(classes_um)) if is_classes else target.shape
    values, max_depth_um = read_entry(entry), dataset_config.depth_range_um[1]
    check_entry(entry, values, spec, seen.depths_um, shape, max_depth_um)
    imported = Predictions(
        network=network,
        dataset=dataset,
        task=spec.name,
        samples=seen,
        outputs=Outputs(output=values["output"].astype(np.float32)),
        target=target,
        classes_um=np.array(classes_um, np.float32) if classes_um else None,
    )
    imported.save(predictions)
    save_scores(imported, max_depth_um, n_bootstrap, seed, samples, summary)


if __name__ == "__main__":
    run_job(main)
