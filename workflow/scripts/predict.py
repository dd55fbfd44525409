"""Apply a trained network to the test split of a dataset.

Reads the model (JSON and safetensors), the PSF and shards (HDF5); writes the outputs, targets and measurements of the
samples (HDF5).
"""

from pathlib import Path

from foci3d.learning.model import load_model
from foci3d.learning.prediction import predict_dataset
from foci3d.workflow.job import run_job


def main(
    model: Path, psf: Path, test: list[Path], dataset: str, device: str, average_symmetries: bool, predictions: Path
) -> None:
    trained = load_model(model, psf=psf, device=device, average_symmetries=average_symmetries, recalibration=None)
    predict_dataset(trained, test, dataset).save(predictions)


if __name__ == "__main__":
    run_job(main)
