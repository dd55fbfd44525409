"""Test the recalibration, the abstention and the out-of-distribution flag of a network.

Reads the model (JSON and safetensors), its recalibration (JSON), the PSF and the predictions for the test split (HDF5);
writes the reliability diagram, the risk by coverage and the scores of out-of-distribution inputs (CSV), and the table
(CSV, HTML and Markdown).
"""

from pathlib import Path
from typing import Any

from foci3d.confidence.assessment import assess_trust, reliability_diagrams, score_inputs, trust_page
from foci3d.confidence.reliability import risk_coverage
from foci3d.io.atomic import atomic_path
from foci3d.io.predictions import Predictions
from foci3d.learning.model import load_model
from foci3d.learning.recalibration import Recalibration
from foci3d.workflow.job import run_job


def main(
    model: Path,
    recalibration: Path,
    psf: Path,
    predictions: Path,
    n_samples: int,
    inference: dict[str, Any],
    n_bootstrap: int,
    seed: int,
    reliability: Path,
    risk: Path,
    scores: Path,
    note: str,
    csv: Path,
    html: Path,
    markdown: Path,
) -> None:
    test = Predictions.load(predictions)
    trained = load_model(model, psf=psf, recalibration=recalibration, **inference)
    fitted = Recalibration.load(recalibration, trained.description.digests.weights)
    inputs = score_inputs(trained, fitted, test.samples[:n_samples], test.outputs[:n_samples], seed)
    curve = risk_coverage(fitted.probabilities(test.outputs.output), test.target > 0)
    diagrams = reliability_diagrams(test, fitted)
    for table, path in ((diagrams, reliability), (curve, risk), (inputs, scores)):
        with atomic_path(path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
    table = assess_trust(test, fitted, inputs, n_bootstrap, seed)
    trust_page(table).save(csv, html, markdown, note)


if __name__ == "__main__":
    run_job(main)
