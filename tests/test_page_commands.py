"""Every command of every page, given in a copy of the project as the page gives it.

Commands of foci3d run on small files; Snakemake and make plan what they would run. What is not run has a reason.
"""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import ray_sum
import tifffile
import torch
from descriptions import small_description
from imager import N_PIXELS, Imperfections, point_light, read_out
from pages import GUIDES, PROJECT, blocks, commands, each, own_overlays

from foci3d.cli import main
from foci3d.config.models import Config
from foci3d.io import shards
from foci3d.io.samples import Samples
from foci3d.learning.model_file import save_model
from foci3d.learning.released import released_model
from foci3d.optics.psf import PSF

pytestmark = pytest.mark.slow

NOT_RUN = {
    r"foci3d (?!demo)\w+|foci3d --help": "names a command",
    r"python -i": "names a command",
    r"pip (install|wheel|uninstall) .*": "changes the environment; .ci/run installs the wheel into an empty one",
    r"pip-audit .*": "asks PyPI about every package",
    r"python3 -m venv .*|\. .*|source .*": "makes or enters an environment",
    r"docker .*|apptainer .*": "needs a container engine",
    r"pre-commit install": "changes the clone",
    r"python -m http\.server .*": "serves until it is stopped",
    r"python -m pdb .*": "waits for the user; the same command without pdb is run",
    r"snakemake --sdm conda": "needs conda",
    r"snakemake .*--report .*": "needs a finished run; .ci/run makes a report",
    r"snakemake --profile profiles/\w+": "planned by tests/cluster",
}
"""Commands that are not run here, as regular expressions, and why."""

NEEDS = {r"foci3d export .*\.zip": "bioimageio", r"foci3d convert .*": "ome_zarr"}
"""Commands that are not run without a module of an extra."""

done: set[str] = set()
"""Commands that were run; one that several pages give with the same files runs once."""


def is_run(command: str) -> bool:
    needed = [module for pattern, module in NEEDS.items() if re.fullmatch(pattern, command)]
    can_run = all(importlib.util.find_spec(module) for module in needed)
    return can_run and not any(re.fullmatch(pattern, command) for pattern in NOT_RUN)


@pytest.fixture(scope="module")
def workplace(
    tmp_path_factory: pytest.TempPathFactory,
    copy_project: Callable[[Path], Path],
    config: Config,
    make_psf: Callable[..., PSF],
) -> Path:
    """A copy of the project with the files that the pages name: a scan, images, models and data."""
    folder = copy_project(tmp_path_factory.mktemp("pages") / "project")
    ignored = shutil.ignore_patterns("figures", "images")
    shutil.copytree(PROJECT / "docs", folder / "docs", ignore=ignored)
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(PROJECT / name, folder)
    write_scan(folder)
    write_cells(folder)
    write_results(folder, config, make_psf(depth_range_um=(0.0, 2000.0)))
    return folder


def write_scan(folder: Path) -> None:
    (folder / "scans").mkdir()
    tifffile.imwrite(folder / "scan.tif", np.stack([frame.readings for frame in ray_sum.make_scan()]))
    (folder / "scan.csv").write_text("\n".join(["depth_um", *map(str, ray_sum.DEPTHS_UM), ""]))
    for name in ("scan.tif", "scan.csv"):
        shutil.copy(folder / name, folder / "scans")


def write_results(folder: Path, config: Config, psf: PSF) -> None:
    """What a run or the reader has made before: point-spread functions, models, a shard."""
    results = folder / "results"
    psf.save(folder / "PSF.h5")
    rng = np.random.default_rng(0)
    layers = rng.random((2, 4, 5, 5), np.float32)
    samples = Samples(layers=layers, masks=layers > 0.5, measurements=layers[:, :2], depths_um=np.ones((2, 4)))
    shards.write(results / "smoke" / "data" / "stack2" / "train-0.h5", [samples], 2, {})
    description = small_description(config).model_copy(update={"network": "stack2_cnn"})
    for run in ("smoke", "quick"):
        models, kernels = results / run / "models", results / run / "psf"
        models.mkdir(parents=True)
        kernels.mkdir()
        shutil.copy(folder / "PSF.h5", kernels / "scan.h5")
        for path in released_model("two_sensors").parent.glob("two_sensors.*"):
            shutil.copy(path, models / path.name.replace("two_sensors", "stack2_physics"))
        torch.manual_seed(0)
        paths = models / "stack2_cnn.json", models / "stack2_cnn.safetensors"
        save_model(description.build_network(), description, *paths)


def write_cells(folder: Path) -> None:
    """Three acquisitions of five single cells each."""
    rng = np.random.default_rng(1)
    for number in (1, 2, 3):
        points = rng.uniform([6, 6, 80, 0.7], [N_PIXELS - 6, N_PIXELS - 6, 920, 1.3], (5, 4))
        for sensor, image in zip("ab", read_out(point_light(points), Imperfections(), rng), strict=True):
            tifffile.imwrite(folder / f"{number}{sensor}.tif", np.rint(4000 * image).astype(np.uint16))


def write_images(folder: Path, n_frames: int) -> None:
    """The images of two sensors, or a time series."""
    for sensor in "ab":
        image = tifffile.imread(folder / "resources" / "acquisitions" / f"clusters_{sensor}.tif")
        tifffile.imwrite(folder / f"{sensor}.tif", np.stack([image] * n_frames).squeeze())
        for name in ("image", f"{sensor}_green", f"{sensor}_red"):
            shutil.copy(folder / f"{sensor}.tif", folder / f"{name}.tif")


def write_overlays(folder: Path, page: Path) -> None:
    """What the page tells the reader to write into files."""
    for name, content in own_overlays(page).items():
        (folder / name).write_text(content)
        for plugin in re.findall(r"plugins/\w+\.py", content):
            (folder / plugin).parent.mkdir(exist_ok=True)
            (folder / plugin).write_text("\n\n".join(blocks(page, "python")))
        for predictions in re.findall(r"\w+\.npz", content):
            (folder / predictions).touch()


def run_command(words: list[str], folder: Path) -> None:
    program, *arguments = words
    if program == "foci3d":
        assert main(arguments) == 0
        return
    if program == "make":
        arguments = ["--dry-run", *arguments]
    elif program == "python":
        program = sys.executable
    elif program == "snakemake":
        program, arguments = sys.executable, ["-m", "snakemake", "--dry-run", "--quiet", "all", *arguments]
    run = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@each([page for page in GUIDES if any(True for _ in commands(page))])
def test_commands_run(page: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    monkeypatch.setattr("webbrowser.open", lambda address: True)
    write_images(workplace, n_frames=2 if page.stem == "time-series" else 1)
    write_overlays(workplace, page)
    for words in commands(page):
        command = shlex.join(words)
        if command not in done and is_run(command):
            run_command(words, workplace)
            done.add(command)


def test_every_reason_is_that_of_a_command() -> None:
    given = [shlex.join(words) for page in GUIDES for words in commands(page)]
    assert [
        pattern for pattern in (*NOT_RUN, *NEEDS) if not any(re.fullmatch(pattern, command) for command in given)
    ] == []
