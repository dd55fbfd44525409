"""Score a trained network on measurements by imagers that differ from the calibrated one.

Reads the model (JSON and safetensors), the PSF and the test shards of its dataset (HDF5); writes the scores by
perturbation, with 95 % bootstrap intervals (CSV).
"""

from pathlib import Path

from foci3d.config.models import SensorConfig
from foci3d.config.studies import RobustnessConfig
from foci3d.io.atomic import atomic_path
from foci3d.io.shards import read_shards
from foci3d.learning.inference import load_model
from foci3d.optics.psf import PSF
from foci3d.reconstruction.robustness import assess_robustness
from foci3d.workflow.job import run_job


def main(
    model: Path,
    weights: Path,
    psf: Path,
    test: list[Path],
    dataset_name: str,
    robustness: RobustnessConfig,
    sensor: SensorConfig,
    max_depth_um: float,
    device: str,
    average_symmetries: bool,
    n_bootstrap: int,
    seed: int,
    scores: Path,
) -> None:
    kernels = PSF.load(psf)
    table = assess_robustness(
        load_model(model, weights, kernels),
        kernels,
        read_shards(test),
        dataset_name,
        robustness,
        sensor,
        max_depth_um,
        n_bootstrap,
        seed,
        device=device,
        average_symmetries=average_symmetries,
    )
    with atomic_path(scores) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    run_job(main, snakemake)
