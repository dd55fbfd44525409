"""The tasks of networks and classical methods: what each predicts, in which axes and unit, and how it is scored.

A task is described here once. Its network is a class of `foci3d.learning.tasks`, its scores a function of
`foci3d.evaluation.scores`; checks, figures and tables ask for a kind of output and never for a task by its name. A
plugin adds a task by `TASKS.register`, a class and a scorer, in one file.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from foci3d.config.registry import Spec, SpecRegistry


class OutputKind(Enum):
    """What is predicted, in words."""

    CLASS_PROBABILITIES = "probabilities of the depths in steps of a dataset"
    IMAGE = "images of layers"
    DEPTH_MAP = "depth maps"
    CELL_PROBABILITIES = "probabilities of a cell in each layer"
    COUNTED_LAYERS = "the number of layers, and probabilities of a cell in each"
    OTHER = "what a plugin defines"


CELL_KINDS = (OutputKind.CELL_PROBABILITIES, OutputKind.COUNTED_LAYERS)
"""Kinds of output that hold the probability of a cell in each layer."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec(Spec):
    """What a task predicts.

    Parameters
    ----------
    name : str
        Name in the configuration and in files.
    meaning : str
        What the output is, in words.
    kind : OutputKind
        Kind of the output, on which checks, figures and classical methods depend.
    axes, target_axes : str
        Axes of the output and of its target in files; those of the output by default.
    unit : str
        Unit of output and target.
    value_range : tuple
        Lowest and highest value of the output; None for the largest depth of the dataset.
    layer_values : mapping of str to str
        Unit of each value of the layers `(N, L)` beside the output, by name.
    metrics, benchmark_metrics, robustness_metrics : tuple of str
        Metrics (`foci3d.config.metrics`) of the comparison of methods, of the benchmark and of the test of robustness.
    baseline : str
        The trivial predictor behind the column `baseline` of its scores.
    compared_as : str
        Task in whose sections its scores are shown; its own by default.
    classical_target : str
        Array of a sample that classical methods predict; empty where they have no such output.
    single_layer : bool, optional
        Whether it is for samples of one layer, or of several; None for either.
    selectable : bool
        Whether a network of the configuration may have it.
    """

    meaning: str
    axes: str
    kind: OutputKind = OutputKind.OTHER
    target_axes: str = ""
    unit: str = "1"
    value_range: tuple[float, float | None] = (-math.inf, math.inf)
    layer_values: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    benchmark_metrics: tuple[str, ...] = ()
    robustness_metrics: tuple[str, ...] = ()
    baseline: str = ""
    compared_as: str = ""
    classical_target: str = ""
    single_layer: bool | None = None
    selectable: bool = True

    def __post_init__(self) -> None:
        for name, default in (("target_axes", self.axes), ("compared_as", self.name)):
            object.__setattr__(self, name, getattr(self, name) or default)

    @property
    def is_dense(self) -> bool:
        """Whether the output has pixels."""
        return self.axes.endswith("y x")

    @property
    def has_layer_channels(self) -> bool:
        """Whether the channels of the output are the layers, in reverse order when seen from the opposite side."""
        return self.is_dense and "layer" in self.axes.split()

    @property
    def predicts_cells(self) -> bool:
        """Whether the output holds the probability of a cell in each layer."""
        return self.kind in CELL_KINDS

    @property
    def counts_layers(self) -> bool:
        """Whether the number of layers is predicted, too; samples may have fewer than a network can predict."""
        return self.kind is OutputKind.COUNTED_LAYERS


TASKS: SpecRegistry[TaskSpec] = SpecRegistry("task")

DEPTH_CLASS = TASKS.register(
    TaskSpec(
        name="depth_class",
        meaning="the probability of each depth",
        kind=OutputKind.CLASS_PROBABILITIES,
        axes="sample class",
        target_axes="sample",
        value_range=(0, 1),
        metrics=("exact", "mean_error_um"),
        benchmark_metrics=("exact", "mean_error_um"),
        robustness_metrics=("exact", "mean_error_um"),
        baseline="uniform guess",
        single_layer=True,
    )
)
DEBLURRING = TASKS.register(
    TaskSpec(
        name="deblurring",
        meaning="the layer without blur, in the unit of the measurement",
        kind=OutputKind.IMAGE,
        axes="sample channel y x",
        unit="a.u.",
        metrics=("error", "psnr_db", "ssim"),
        benchmark_metrics=("error", "psnr_db", "ssim"),
        robustness_metrics=("error",),
        baseline="identity",
        classical_target="layers",
        single_layer=True,
    )
)
DEPTH_MAP = TASKS.register(
    TaskSpec(
        name="depth_map",
        meaning="the depth of the cell at each pixel [um], 0 where there is none",
        kind=OutputKind.DEPTH_MAP,
        axes="sample channel y x",
        unit="um",
        value_range=(0, None),
        metrics=("error", "cell_error"),
        benchmark_metrics=("error", "cell_error"),
        robustness_metrics=("error",),
        baseline="empty map",
    )
)
MASKS = TASKS.register(
    TaskSpec(
        name="masks",
        meaning="the probability of a cell at each pixel of each layer",
        kind=OutputKind.CELL_PROBABILITIES,
        axes="sample layer y x",
        value_range=(0, 1),
        metrics=(
            *("error", "dice", "balanced_accuracy", "auc", "sensitivity", "specificity"),
            *("cluster_sensitivity", "cluster_specificity", "bleed_through"),
        ),
        benchmark_metrics=("error", "cluster_sensitivity", "cluster_specificity"),
        robustness_metrics=("error", "dice"),
        baseline="majority class",
        classical_target="masks",
        single_layer=False,
    )
)
STACKS = TASKS.register(
    replace(
        MASKS,
        name="stacks",
        meaning=f"{MASKS.meaning}, and the depths of the layers [um]",
        layer_values={"predicted_depths_um": "um", "predicted_depth_sds_um": "um", "occupancy": "1"},
        robustness_metrics=("error", "dice", "depth_error_um"),
        compared_as=MASKS.name,
        classical_target="",
    )
)
COUNT_METRICS = ("count_exact", "count_within_one", "missed_layers", "phantom_layers")
COUNTED_STACKS = TASKS.register(
    replace(
        STACKS,
        name="counted_stacks",
        meaning=f"the number of layers, {STACKS.meaning}",
        layer_values={name: unit for name, unit in STACKS.layer_values.items() if name != "occupancy"},
        metrics=("error", "dice", "depth_error_um", *COUNT_METRICS),
        benchmark_metrics=("error", "depth_error_um", *COUNT_METRICS),
        baseline="no cells",
        kind=OutputKind.COUNTED_LAYERS,
        single_layer=None,
        compared_as="",
    )
)
DEPTH_COVERAGE = TASKS.register(
    TaskSpec(
        name="depth_coverage",
        meaning="the depth [mm] and the coverage of each layer: the pretext task of an encoder",
        axes="sample value",
        selectable=False,
    )
)


def tasks_of_kind(*kinds: OutputKind) -> str:
    """The tasks with one of some kinds of output, in words.

    >>> tasks_of_kind(OutputKind.CELL_PROBABILITIES)
    'masks or stacks'
    """
    return " or ".join(name for name, spec in TASKS.items() if spec.kind in kinds)


@dataclass(frozen=True)
class _TaskName:
    """Annotates a field that holds the name of a registered task for which a condition holds."""

    condition: Callable[[TaskSpec], object]

    @property
    def names(self) -> list[str]:
        return [name for name, spec in TASKS.items() if self.condition(spec)]

    def check(self, name: str) -> str:
        if name not in self.names:
            raise PydanticCustomError("task_name", "expected one of {names}", {"names": ", ".join(self.names)})
        return name

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, core_schema.str_schema())

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "enum": self.names}


NetworkTask = Annotated[str, _TaskName(lambda spec: spec.selectable)]
ClassicalTask = Annotated[str, _TaskName(lambda spec: spec.classical_target)]
