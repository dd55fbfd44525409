"""workflow/run_script.py: the stub has what Snakemake would give, and a script runs alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from foci3d.io.shards import read_shards
from foci3d.optics.psf import PSF

PROJECT = Path(__file__).parents[2]
RUN = [sys.executable, "workflow/run_script.py"]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*RUN, *arguments, "--configfile", "config/smoke.yaml", "--config", f"results={folder}"]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_a_script_runs_alone(tmp_path: Path, psf: PSF) -> None:
    psf.save(tmp_path / "psf" / "scan.h5")
    result = run(tmp_path, "synthesize_shard", "dataset=deblur", "split=test", "shard=0")
    assert result.returncode == 0, result.stderr
    assert len(read_shards([tmp_path / "data" / "deblur" / "test-0.h5"])) == 32
    assert "done in" in (tmp_path / "logs" / "synthesize_shard" / "deblur-test-0.log").read_text()


def test_the_stub_has_the_params_of_the_configuration(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.append('workflow'); from run_script import mock_snakemake; "
        "job = mock_snakemake('train', {'network': 'stack2_cnn'}, "
        f"configfiles=['config/smoke.yaml'], config={{'results': {str(tmp_path)!r}, 'seed': 17}}); "
        "print(job.input.psf, job.params.run['seed'], job.params.run['task'], job.rule)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    expected = f"{tmp_path}/psf/scan.h5 17 masks train"
    assert result.stdout.strip().splitlines()[-1] == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "there is no rule trian; expected one of"),
        (["train", "dataset=stack2"], "found the wildcards ['dataset']; expected ['network']"),
    ],
)
def test_a_wrong_rule_or_wildcard_is_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run(tmp_path, *arguments)
    assert result.returncode == 1
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
