"""Fixtures of all tests: the configuration, point-spread functions, and Snakemake run as a user runs it."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from descriptions import small_description

from foci3d.classical.methods import METHODS
from foci3d.config.architectures import ARCHITECTURES
from foci3d.config.classical_methods import CLASSICAL_METHODS
from foci3d.config.metrics import METRICS
from foci3d.config.models import Config
from foci3d.config.tasks import TASKS
from foci3d.evaluation.scores import SCORERS
from foci3d.learning.model_file import ModelDescription
from foci3d.learning.networks import NETWORKS
from foci3d.learning.tasks import NETWORK_TASKS
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.psf import PSF, depth_grid

# Small tensors: threads would only wait for each other.
torch.set_num_threads(1)

PROJECT = Path(__file__).parents[1]
ACCEPTANCE = AngularAcceptance(fwhm_deg=36.0, standoff_um=20.0, linear_fill_factor=1.0)
Snakemake = Callable[..., subprocess.CompletedProcess[str]]

NEEDS_SMOKE = {"smoke"}
NEEDS_SNAKEMAKE = {"snakemake", *NEEDS_SMOKE}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures that they use: see `markers` in pyproject.toml."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & NEEDS_SNAKEMAKE:
            item.add_marker(pytest.mark.workflow)
        if fixtures & NEEDS_SMOKE:
            item.add_marker(pytest.mark.smoke)


@pytest.fixture(scope="session")
def config() -> Config:
    """The configuration of the paper, `config/config.yaml`; frozen, change copies by `model_copy(update=...)`."""
    return Config.model_validate(yaml.safe_load((PROJECT / "config" / "config.yaml").read_text()))


@cache
def _make_psf(
    n_pixels: int = 51,
    depth_range_um: Sequence[float] = (0.0, 1000.0),
    depth_step_um: float = 100.0,
    acceptance: AngularAcceptance = ACCEPTANCE,
    pixel_pitch_um: float = 55.0,
) -> PSF:
    depths_um = depth_grid(depth_range_um, depth_step_um)
    kernels = acceptance_kernels(acceptance, depths_um, n_pixels, pixel_pitch_um)
    return PSF(kernels.float(), depths_um.float(), pixel_pitch_um, {"source": "optics"})


@pytest.fixture(scope="session")
def make_psf() -> Callable[..., PSF]:
    """Make a PSF of an angular acceptance: `make_psf(n_pixels, depth_range_um, depth_step_um, acceptance, pitch)`.

    All have defaults. Each PSF is computed once.
    """
    return _make_psf


@pytest.fixture(scope="session")
def make_asymmetric_psf() -> Callable[[str, int], PSF]:
    """Make a PSF that is wider in x (`astigmatic`), has a tail in x (`comatic`), or one in no direction (`skewed`)."""

    def make(kind: str, n_pixels: int) -> PSF:
        y, x = torch.meshgrid(*[torch.arange(1.0 - n_pixels, n_pixels)] * 2, indexing="ij")
        tail_x, tail_y = {"astigmatic": (0, 0), "comatic": (0.5, 0), "skewed": (0.5, 0.3)}[kind]
        width_x = 1.5 if kind == "astigmatic" else 1
        widths = torch.tensor([1.0, 4.0])[:, None, None]
        kernels = torch.exp(-((y / widths) ** 2) - (x / widths / width_x) ** 2)
        kernels = kernels * (1 + tail_x * (x / widths).tanh()) * (1 + tail_y * (y / widths).tanh())
        return PSF(kernels / kernels.sum((1, 2), keepdim=True), torch.tensor([0.0, 1000.0]), 55.0)

    return make


@pytest.fixture(scope="session")
def psf() -> PSF:
    """PSF of the paper's imager: 51 pixels, 0 to 2000 um in coarse steps of 100 um."""
    return _make_psf(depth_range_um=(0.0, 2000.0))


@pytest.fixture
def plugged_in() -> Iterator[None]:
    """What the test registers, as plugins do, is removed after it."""
    registries = (TASKS, METRICS, NETWORK_TASKS, SCORERS, NETWORKS.classes, ARCHITECTURES.classes)
    registries += (METHODS, CLASSICAL_METHODS.classes)
    before = [registry.copy() for registry in registries]
    yield
    for registry, entries in zip(registries, before, strict=True):
        registry.clear()
        registry.update(entries)


@pytest.fixture
def model_description(config: Config) -> ModelDescription:
    """Description of a small model of three layers and two sensors of 13 pixels."""
    return small_description(config)


@pytest.fixture(scope="session")
def snakemake() -> Snakemake:
    """Run `snakemake` with some arguments in a folder; the result has its output and its exit status.

    Test processes take turns in a folder, as Snakemake refuses to work where another run does, but for dry runs.
    """

    def run(
        *arguments: str, folder: Path = PROJECT, environment: Mapping[str, str] = {}
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "snakemake", *arguments]
        with (folder / "Snakefile").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH if "--dry-run" in arguments else fcntl.LOCK_EX)
            return subprocess.run(
                command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
            )

    return run


@pytest.fixture(scope="session")
def copy_project() -> Callable[[Path], Path]:
    """Copy the project's tracked parts, without results, into a new folder; returns the folder."""

    def copy(folder: Path) -> Path:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(PROJECT / "workflow", folder / "workflow", ignore=ignored)
        for name in ("config", "profiles", "resources", "envs"):
            shutil.copytree(PROJECT / name, folder / name)
        ignored = shutil.ignore_patterns("results", ".snakemake")
        shutil.copytree(PROJECT / ".test", folder / ".test", symlinks=True, ignore=ignored)
        shutil.copy(PROJECT / "Snakefile", folder)
        return folder

    return copy


@pytest.fixture
def project(copy_project: Callable[[Path], Path], tmp_path: Path) -> Path:
    """A copy of the project's tracked parts, without results, to break."""
    return copy_project(tmp_path / "project")


@pytest.fixture(scope="session")
def smoke(snakemake: Snakemake) -> Path:
    """The results of a whole run at the smallest scale; what is there already and up to date is not made again."""
    run = snakemake("--cores", "2", "--configfile", "config/smoke.yaml", "--", "all")
    assert run.returncode == 0, run.stdout + run.stderr
    return PROJECT / "results" / "smoke"


@pytest.fixture(scope="session")
def copy_finished(smoke: Path, copy_project: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """Copy the project after the whole run at the smallest scale into a new folder; returns the folder."""

    def copy(folder: Path) -> Path:
        copy_project(folder)
        shutil.copytree(smoke, folder / "results" / "smoke", ignore=shutil.ignore_patterns("logs", "benchmarks"))
        shutil.copytree(PROJECT / ".snakemake" / "metadata", folder / ".snakemake" / "metadata")
        return folder

    return copy


@pytest.fixture
def finished(copy_finished: Callable[[Path], Path], tmp_path: Path) -> Path:
    """A copy of the project after the whole run at the smallest scale, to break: Snakemake runs what is removed."""
    return copy_finished(tmp_path / "project")
