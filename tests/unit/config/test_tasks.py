"""Tasks, metrics and perturbations: each is described once, and everything else asks its description."""

import ast
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from foci3d.config.metrics import METRICS, Metric
from foci3d.config.models import Config, NetworkConfig
from foci3d.config.perturbations import PERTURBATIONS
from foci3d.config.tasks import MASKS, TASKS, OutputKind, TaskSpec
from foci3d.config.units import MICROMETRE, PERCENT
from foci3d.errors import InputError
from foci3d.evaluation.tables import in_units
from foci3d.io.samples import Samples

WORKFLOW = Path(__file__).parents[3] / "workflow"
PYTHON = [path for path in WORKFLOW.rglob("*.py") if path.parts[-2:] != ("config", "validation.py")]
SNAKEMAKE = [WORKFLOW / "Snakefile", *WORKFLOW.rglob("*.smk"), *WORKFLOW.rglob("studies/*/Snakefile")]
OWNER = WORKFLOW / "src" / "foci3d" / "config" / "tasks.py"
# Words that also name an array of a sample, a variable of MATLAB files or what a scene shows.
AMBIGUOUS = {field.name for field in fields(Samples)} | {"depth_map", "moving", "slides", "depth"}


def literals(path: Path) -> set[str]:
    """Strings in a Python file; of ambiguous words, those alone that something is compared with."""
    nodes = [*ast.walk(ast.parse(path.read_text()))]
    keys = {part for node in nodes if isinstance(node, ast.Subscript) for part in ast.walk(node.slice)}
    comparisons = [node for node in nodes if isinstance(node, ast.Compare | ast.MatchValue)]
    compared = {part for node in comparisons for part in ast.walk(node)} - keys
    texts = [node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {node.value for node in texts if node in compared or node.value not in AMBIGUOUS}


def quoting(names: Iterable[str], path: Path) -> bool:
    """Whether one of the names stands in quotation marks."""
    return bool(re.search(rf"[\"']({'|'.join(names)})[\"']", path.read_text()))


def test_names_of_tasks_stand_in_their_description_alone() -> None:
    """Networks, scorers, tables, figures and rules take them from `foci3d.config.tasks`."""
    assert literals(OWNER) >= TASKS.keys() - AMBIGUOUS
    assert [path for path in PYTHON if TASKS.keys() & literals(path)] == [OWNER]
    assert not [path for path in SNAKEMAKE if quoting(TASKS, path)]


def test_names_of_datasets_stand_in_the_configuration_alone(config: Config) -> None:
    names = config.datasets.keys() - AMBIGUOUS
    assert {"stack2", "nonoverlap"} <= names
    assert not [path for path in (*PYTHON, *SNAKEMAKE) if quoting(names, path)]


def test_adding_a_task_takes_three_files() -> None:
    """Those that use a built-in task: its description, its network and its scorer."""
    using = [path for path in PYTHON if re.search(r"\bSTACKS\b", path.read_text())]
    assert {path.relative_to(OWNER.parents[1]).as_posix() for path in using} == {
        *("config/tasks.py", "learning/tasks.py", "evaluation/scores.py")
    }


def test_every_metric_of_a_task_is_registered() -> None:
    named = {
        name for spec in TASKS.values() for name in spec.metrics + spec.benchmark_metrics + spec.robustness_metrics
    }
    assert named <= METRICS.keys()
    assert all(spec.baseline for spec in TASKS.values() if spec.metrics)


def test_heading_and_scale_come_from_the_unit() -> None:
    """A word with a percent sign is not a share."""
    metric = Metric("share", "share above 5 % of the peak", MICROMETRE, better="higher")
    assert (metric.heading, metric.axis_label) == (
        "Share above 5 % of the peak [um]",
        "share above 5 % of the peak [µm]",
    )
    assert METRICS["error"].unit is PERCENT
    table = pd.DataFrame({"metric": ["error", "psnr_db"], "value": [0.5, 30.0], "baseline": [0.25, np.nan]})
    assert in_units(table)["value"].tolist() == [50, 30]
    assert in_units(table)["baseline"].tolist()[0] == 25


@pytest.mark.parametrize(
    ("name", "amount", "text"),
    [
        ("none", 0.0, "as calibrated"),
        ("psf_width_error", -0.25, "width of the PSF -25 %"),
        ("full_well_electrons", 2000.0, "noise, full well 2000 e-"),
        ("lateral_offset_um", 25.0, "sensor B displaced in x +25 um"),
    ],
)
def test_perturbations_in_words(name: str, amount: float, text: str) -> None:
    assert PERTURBATIONS[name].describe(amount) == text


def test_what_is_not_registered_is_answered_with_what_is() -> None:
    with pytest.raises(InputError, match="metric colour is not registered; expected one of error, "):
        METRICS["colour"]


def test_a_task_of_ones_own_is_a_value_of_the_configuration(config: Config, plugged_in: None) -> None:
    network = config.networks["depth_cnn"].model_dump()
    with pytest.raises(ValidationError, match="expected one of depth_class, deblurring"):
        NetworkConfig.model_validate(network | {"task": "count"})
    count = TASKS.register(TaskSpec(name="count", meaning="number of cells", axes="sample layer"))
    assert NetworkConfig.model_validate(network | {"task": "count"}).spec is count
    assert not count.is_dense
    assert not count.has_layer_channels
    assert MASKS.has_layer_channels
    assert count.kind is OutputKind.OTHER
