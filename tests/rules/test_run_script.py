"""workflow/run_script.py: the stub has what Snakemake would give, and a script runs alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from predicted import make_predictions

PROJECT = Path(__file__).parents[2]
RUN = [sys.executable, "workflow/run_script.py"]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*RUN, *arguments, "--configfile", "config/smoke.yaml", "--config", f"results={folder}"]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_a_script_runs_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(2, size=(6, 4, 5, 5)).astype(np.uint8)
    arrays = {"output": (0.8 * target + 0.1).astype(np.float32), "target": target}
    predictions = make_predictions("masks", network="stack2_cnn", dataset="stack2", **arrays)
    predictions.save(tmp_path / "predictions" / "stack2_cnn" / "stack2.h5")
    result = run(tmp_path, "trace_roc", "network=stack2_cnn", "dataset=stack2")
    assert result.returncode == 0, result.stderr
    curves = pd.read_csv(tmp_path / "scores" / "stack2_cnn" / "stack2" / "roc.csv")
    assert (curves["auc"] == 1).all()
    assert "done in" in (tmp_path / "logs" / "trace_roc" / "stack2_cnn-stack2.log").read_text()


def test_the_stub_has_the_params_of_the_configuration(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.append('workflow'); from run_script import mock_snakemake; "
        "job = mock_snakemake('score', {'network': 'stack2_cnn', 'dataset': 'stack2'}, "
        f"configfiles=['config/smoke.yaml'], config={{'results': {str(tmp_path)!r}, 'n_bootstrap': 17}}); "
        "print(job.input.predictions, job.params.n_bootstrap, job.params.max_depth_um, job.rule)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    expected = f"{tmp_path}/predictions/stack2_cnn/stack2.h5 17 1000.0 score"
    assert result.stdout.strip().splitlines()[-1] == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scoer"], "there is no rule scoer; expected one of"),
        (["score", "dataset=stack2"], "found the wildcards ['dataset']; expected ['dataset', 'network']"),
    ],
)
def test_a_wrong_rule_or_wildcard_is_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run(tmp_path, *arguments)
    assert result.returncode == 1
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
