"""Errors of a user are reported in one line and with a non-zero exit, never with a traceback."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

SMOKE = ("--configfile", "config/smoke.yaml", "config/mine.yaml")


def refusal(snakemake: Callable[..., Any], project: Path, *arguments: str) -> str:
    """Output of Snakemake, which must refuse its arguments."""
    run = snakemake(*arguments, folder=project)
    assert run.returncode != 0
    output = run.stdout + run.stderr
    assert "Traceback" not in output
    return output


@pytest.mark.parametrize(
    ("overlay", "line"),
    [
        ("n_samples: {trian: 5}", "config/mine.yaml:1: there is no key n_samples.trian; did you mean train?"),
        (
            "compute: {threads: many}",
            'config/mine.yaml:1: compute.threads is "many"; expected an integer',
        ),
        (
            "figures: {fig4: {network: cnn}}",
            "config/mine.yaml:1: figures.fig4.network is cnn; expected one of",
        ),
        ("seed: 1\nseed: 2", "config/mine.yaml:2: the key seed is given twice, in lines 1 and 2; remove one."),
        (
            "baselines: {stack1_wiener: {test_datasets: [stack2]}}",
            "config/mine.yaml:1: baselines.stack1_wiener.test_datasets[0] is",
        ),
        (
            "reconstruct: {samples: none.tsv}",
            "config/mine.yaml:1: reconstruct.samples is none.tsv",
        ),
    ],
)
def test_configuration(snakemake: Callable[..., Any], project: Path, overlay: str, line: str) -> None:
    (project / "config" / "mine.yaml").write_text(overlay)
    output = refusal(snakemake, project, "--dry-run", *SMOKE)
    assert [text for text in output.splitlines() if text.startswith(line)] != []
    assert len([line for line in output.splitlines() if not line.startswith(("Config file", "Using"))]) == 1


def test_value_on_the_command_line(snakemake: Callable[..., Any], project: Path) -> None:
    output = refusal(snakemake, project, "--dry-run", "--config", "seed=abc")
    assert '--config: seed is "abc"; expected an integer' in output


def test_another_working_directory(snakemake: Callable[..., Any], project: Path, tmp_path: Path) -> None:
    output = refusal(snakemake, project, "--dry-run", *SMOKE[:2], "--directory", str(tmp_path))
    assert f"{tmp_path}: found no config/config.yaml; expected the folder of the project." in output


def test_acquisition_without_an_image(snakemake: Callable[..., Any], project: Path) -> None:
    (project / "resources" / "acquisitions" / "clusters_b.tif").unlink()
    output = refusal(snakemake, project, "--dry-run")
    assert "config/samples.tsv: sample clusters: sensor_b is resources/acquisitions/clusters_b.tif" in output


@pytest.fixture
def scanned(project: Path) -> Path:
    """A project whose point-spread function comes from a user's scan."""
    (project / "config" / "mine.yaml").write_text("psf: {scan: {stack: scan.tif, depths: depths.csv}}")
    (project / "depths.csv").write_text("depth_um\n100\n200\n")
    return project


def test_scan_that_is_not_an_image(snakemake: Callable[..., Any], scanned: Path) -> None:
    (scanned / "scan.tif").write_text("not an image")
    output = refusal(snakemake, scanned, "--cores", "1", *SMOKE, "--", "results/smoke/psf/scan.h5")
    assert "calibrate_psf: scan.tif: " in output


def test_scan_with_fewer_depths_than_frames(snakemake: Callable[..., Any], scanned: Path) -> None:
    tifffile.imwrite(scanned / "scan.tif", np.zeros((3, 101, 101), np.uint16), photometric="minisblack")
    output = refusal(snakemake, scanned, "--cores", "1", *SMOKE, "--", "results/smoke/psf/scan.h5")
    assert "calibrate_psf: " in output
    assert "depths.csv" in output


def test_damaged_shard(snakemake: Callable[..., Any], project: Path) -> None:
    shard = "results/smoke/data/depth/validation-0.h5"
    (project / "config" / "mine.yaml").write_text("psf: {source: optics}\nn_samples: {validation: 8}")
    assert snakemake("--cores", "1", *SMOKE, "--", shard, folder=project).returncode == 0
    content = (project / shard).read_bytes()
    with h5py.File(project / shard, "r+") as file:
        file["layers"][0, 0, 0, 0] += 1
    target = "results/smoke/models/depth_cnn.safetensors"
    output = refusal(snakemake, project, "--cores", "1", *SMOKE, "--", target)
    assert (
        f"{shard}: the file is damaged (array 'layers' does not match its digest). Delete it and run again." in output
    )
    (project / shard).unlink()
    assert snakemake("--cores", "1", *SMOKE, "--", shard, folder=project).returncode == 0
    assert (project / shard).read_bytes() == content


def test_image_of_another_shape(snakemake: Callable[..., Any], finished: Path) -> None:
    tifffile.imwrite(finished / "resources" / "acquisitions" / "clusters_a.tif", np.ones((48, 64), np.uint16))
    target = "results/smoke/reconstructions/clusters/overview.png"
    output = refusal(snakemake, finished, "--cores", "1", "--configfile", "config/smoke.yaml", "--", target)
    assert "clusters_a.tif: the image has 48 x 64 pixels; expected at least 51 x 51" in output
