"""Take a trained model for a network of the configuration.

Reads and writes a model (JSON and safetensors) and its curves (CSV); the model gets the name of the network.
"""

import shutil
from pathlib import Path
from typing import Any

from foci3d.io.atomic import atomic_path
from foci3d.learning.model_file import check_model, read_model, save_weights
from foci3d.workflow.job import run_job


def main(
    source: Path,
    source_weights: Path,
    source_curves: Path,
    network: str,
    expected: dict[str, Any],
    model: Path,
    weights: Path,
    curves: Path,
) -> None:
    description, values = read_model(source, source_weights)
    check_model(source, description, expected)
    save_weights(values, description.model_copy(update={"network": network}), model, weights)
    with atomic_path(curves) as path:
        shutil.copyfile(source_curves, path)


if __name__ == "__main__":
    run_job(main)
