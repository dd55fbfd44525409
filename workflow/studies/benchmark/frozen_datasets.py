"""The frozen test datasets of the benchmark, and the table of its entries.

A dataset is frozen by a fingerprint. Masks and depths, which do not depend on the optics, must agree bit by bit. The
last bits of layers and measurements differ between processors, so their means and standard deviations must agree.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml
from pydantic import TypeAdapter

from foci3d.config.fields import Count, Section
from foci3d.errors import InputError
from foci3d.evaluation.tables import TablePage, comparison_page, select_metrics
from foci3d.io.samples import NumpySamples

Arrays = Mapping[str, npt.NDArray[Any]]

MOMENTS_TOLERANCE = 1e-5
"""Relative; rounding changes measurements by less than 1e-7, an acceptance 0.1 degrees wider their mean by 3e-4."""


class Moments(Section):
    """Mean and standard deviation of an array."""

    mean: float
    sd: float

    @classmethod
    def from_values(cls, values: npt.NDArray[Any]) -> Self:
        """Moments of all values of an array."""
        return cls(mean=float(values.mean(dtype=float)), sd=float(values.std(dtype=float)))

    def is_close(self, other: Self) -> bool:
        """Whether other moments are the same but for rounding."""
        pairs = ((self.mean, other.mean), (self.sd, other.sd))
        return all(math.isclose(*pair, rel_tol=MOMENTS_TOLERANCE) for pair in pairs)


class FrozenDataset(Section):
    """Fingerprint of the test split of a dataset, and the task that methods are tested on."""

    task: str
    n_samples: Count
    masks_sha256: str
    depths_um_sha256: str
    layers: Moments
    sensors: Moments

    @classmethod
    def from_samples(cls, task: str, samples: NumpySamples) -> Self:
        """Fingerprint of the samples of a split."""
        return cls(
            task=task,
            n_samples=len(samples),
            masks_sha256=_sha256(samples.masks),
            depths_um_sha256=_sha256(samples.depths_um),
            layers=Moments.from_values(samples.layers),
            sensors=Moments.from_values(samples.measurements),
        )

    def differences(self, other: Self) -> list[str]:
        """Names of what differs in another fingerprint."""
        equal = {
            "n_samples": self.n_samples == other.n_samples,
            "masks": self.masks_sha256 == other.masks_sha256,
            "depths_um": self.depths_um_sha256 == other.depths_um_sha256,
            "layers": self.layers.is_close(other.layers),
            "sensors": self.sensors.is_close(other.sensors),
        }
        return [name for name, is_equal in equal.items() if not is_equal]


def _sha256(values: npt.NDArray[Any]) -> str:
    """Digest of the bytes in C order, little endian."""
    return hashlib.sha256(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).data).hexdigest()


def read_frozen(path: str | Path) -> dict[str, FrozenDataset]:
    """Read the fingerprints of the frozen datasets (YAML), by name."""
    return TypeAdapter(dict[str, FrozenDataset]).validate_python(yaml.safe_load(Path(path).read_text()))


def require_frozen(datasets: Mapping[str, FrozenDataset], name: str, samples: NumpySamples) -> FrozenDataset:
    """The fingerprint of a dataset, which the `samples` of its test split must have.

    Raises
    ------
    InputError
        If the benchmark has no such dataset, or its fingerprint is another.
    """
    if name not in datasets:
        raise InputError(
            f"dataset {name} is not part of the benchmark; expected one of {', '.join(datasets)}, choose one of them."
        )
    frozen = datasets[name]
    differences = frozen.differences(FrozenDataset.from_samples(frozen.task, samples))
    if differences:
        raise InputError(
            f"dataset {name} is not the frozen one of the benchmark, as {', '.join(differences)} of its test split "
            "differ; expected that of config/config.yaml, run without overlays and without changes of seed, imager, "
            "psf, appearances and n_samples."
        )
    return frozen


def benchmark_page(table: pd.DataFrame) -> TablePage:
    """Format the scores of entries: one section per dataset and metric, the best entry first.

    Parameters
    ----------
    table : DataFrame
        Summaries (`foci3d.evaluation.scores`) with a column kind: network, classical or entry.
    """
    return replace(comparison_page(select_metrics(table, lambda spec: spec.benchmark_metrics)), title="Benchmark")
