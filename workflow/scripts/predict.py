"""Apply a trained network to the test split of a dataset.

Reads the model (JSON and safetensors) and shards (HDF5); writes the outputs, targets and measurements of the samples
(HDF5).
"""

from pathlib import Path

from foci3d.learning.inference import load_model, predict_dataset
from foci3d.workflow.job import run_job


def main(model: Path, weights: Path, test: list[Path], dataset: str, device: str, predictions: Path) -> None:
    predict_dataset(load_model(model, weights), test, dataset, device).save(predictions)


if __name__ == "__main__":
    run_job(main, snakemake)
