"""What a user gets wrong is answered with one sentence and a non-zero exit, never with a traceback."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

SMOKE = ("--configfile", "config/smoke.yaml", "config/mine.yaml")


def refusal(snakemake: Callable[..., Any], project: Path, *arguments: str) -> str:
    """What Snakemake says on a mistake."""
    run = snakemake(*arguments, folder=project)
    assert run.returncode != 0
    said = run.stdout + run.stderr
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("overlay", "sentence"),
    [
        ("size: {trian: 5}", "config/mine.yaml: there is no key size.trian; did you mean train?"),
        ("compute: {threads: many}", 'config/mine.yaml: compute.threads is "many"; expected an integer of at least 1'),
        ("figures: {fig4: {net: cnn}}", "config/mine.yaml: figures.fig4.net is cnn; expected one of depth_cnn"),
        ("reconstruct: {samples: none.tsv}", "config/mine.yaml: reconstruct.samples is none.tsv, and there is no such"),
    ],
)
def test_configuration(snakemake: Callable[..., Any], project: Path, overlay: str, sentence: str) -> None:
    (project / "config" / "mine.yaml").write_text(overlay)
    said = refusal(snakemake, project, "--dry-run", *SMOKE)
    assert [line for line in said.splitlines() if line.startswith(sentence)] != []
    assert len([line for line in said.splitlines() if not line.startswith("Config file")]) == 1


def test_value_on_the_command_line(snakemake: Callable[..., Any], project: Path) -> None:
    said = refusal(snakemake, project, "--dry-run", "--config", "seed=abc")
    assert '--config: seed is "abc"; expected an integer' in said


def test_acquisition_without_its_picture(snakemake: Callable[..., Any], project: Path) -> None:
    (project / "resources" / "acquisitions" / "tissue1_b.tif").unlink()
    said = refusal(snakemake, project, "--dry-run")
    assert "config/samples.tsv: sample tissue1: sensor_b is resources/acquisitions/tissue1_b.tif" in said


@pytest.fixture
def scanned(project: Path) -> Path:
    """A project whose point-spread function comes from a user's scan."""
    (project / "config" / "mine.yaml").write_text("psf: {scan: {stack: scan.tif, depths: depths.csv}}")
    (project / "depths.csv").write_text("depth_um\n100\n200\n")
    return project


def test_scan_that_is_no_picture(snakemake: Callable[..., Any], scanned: Path) -> None:
    (scanned / "scan.tif").write_text("not a picture")
    said = refusal(snakemake, scanned, "--cores", "1", *SMOKE, "--", "results/smoke/psf/scan.h5")
    assert "calibrate_psf: scan.tif: " in said


def test_scan_with_fewer_depths_than_frames(snakemake: Callable[..., Any], scanned: Path) -> None:
    tifffile.imwrite(scanned / "scan.tif", np.zeros((3, 101, 101), np.uint16), photometric="minisblack")
    said = refusal(snakemake, scanned, "--cores", "1", *SMOKE, "--", "results/smoke/psf/scan.h5")
    assert "calibrate_psf: " in said
    assert "depths.csv" in said


def test_damaged_shard(snakemake: Callable[..., Any], project: Path) -> None:
    shard = "results/smoke/data/depth/validation-0.h5"
    (project / "config" / "mine.yaml").write_text("psf: {from: optics}\nsize: {validation: 8}")
    assert snakemake("--cores", "1", *SMOKE, "--", shard, folder=project).returncode == 0
    with h5py.File(project / shard, "r+") as file:
        file["layers"][0, 0, 0, 0] += 1
    target = "results/smoke/models/depth_cnn.safetensors"
    said = refusal(snakemake, project, "--cores", "1", *SMOKE, "--", target)
    assert f"{shard}: array 'layers' does not match its digest, the file is damaged; delete it and run again." in said


def test_picture_of_another_shape(snakemake: Callable[..., Any], project: Path, smoke: Path) -> None:
    tifffile.imwrite(project / "resources" / "acquisitions" / "tissue1_a.tif", np.ones((48, 64), np.uint16))
    models = project / "results" / "smoke" / "models"
    models.mkdir(parents=True)
    for suffix in ("safetensors", "json", "csv"):
        (models / f"stack2_resnet.{suffix}").write_bytes((smoke / "models" / f"stack2_resnet.{suffix}").read_bytes())
    target = "results/smoke/reconstructions/tissue1/overview.png"
    arguments = ("--cores", "1", "--configfile", "config/smoke.yaml", "--rerun-triggers", "input")
    said = refusal(snakemake, project, *arguments, "--allowed-rules", "reconstruct_sample", "--", target)
    assert "tissue1_a.tif: the picture has 48 x 64 pixels; expected 51 x 51 as imager.pixels, crop or bin it." in said
