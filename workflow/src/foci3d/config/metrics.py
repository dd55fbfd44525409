"""The metrics of summaries: what each is called, its unit, and which direction is better.

Tables, pages and figures take headings and scales from here. A plugin registers the metrics of its own scorer by
`METRICS.register`.

>>> METRICS["depth_error_um"].heading, METRICS["depth_error_um"].axis_label
('Error of the depth [um]', 'error of the depth [µm]')
"""

from dataclasses import dataclass
from typing import Literal

from foci3d.config.registry import Spec, SpecRegistry
from foci3d.config.units import DECIBEL, MICROMETRE, NO_UNIT, PERCENT, Unit


@dataclass(frozen=True)
class Metric(Spec):
    """A metric of summaries (`foci3d.evaluation.scores`).

    Parameters
    ----------
    name : str
        Its name in summaries.
    label : str
        What it is, in words.
    unit : Unit
        Unit in which tables and figures show it.
    better : str
        Which values are better, ``lower`` or ``higher``.
    """

    label: str
    unit: Unit = NO_UNIT
    better: Literal["lower", "higher"] = "lower"

    @property
    def heading(self) -> str:
        """Heading of a table: ``Error [%]``."""
        return f"{self.label[0].upper()}{self.label[1:]}{self._bracket(self.unit.symbol)}"

    @property
    def axis_label(self) -> str:
        """Label of an axis of a figure: ``error [%]``."""
        return self.label + self._bracket(self.unit.on_axes)

    def _bracket(self, symbol: str) -> str:
        return f" [{symbol}]" if symbol else ""


METRICS: SpecRegistry[Metric] = SpecRegistry("metric")

ERROR = METRICS.register(Metric("error", "error", PERCENT))
DEPTH_ERROR = METRICS.register(Metric("depth_error_um", "error of the depth", MICROMETRE))

METRICS.update(
    (metric.name, metric)
    for metric in (
        Metric("error_reduction", "reduction of the error", PERCENT, better="higher"),
        Metric("exact", "exact class", PERCENT, better="higher"),
        Metric("within_one", "class within one step", PERCENT, better="higher"),
        Metric("mean_error_um", "mean error", MICROMETRE),
        Metric("largest_error_um", "largest error", MICROMETRE),
        Metric("loss", "loss"),
        Metric("least_square_error", "error at the best brightness", PERCENT),
        Metric("psnr_db", "PSNR", DECIBEL, better="higher"),
        Metric("ssim", "SSIM", better="higher"),
        Metric("cell_error", "error on cells", PERCENT),
        Metric("error_sd", "standard deviation of the pixel errors", PERCENT),
        Metric("empty_error", "error of predicting no cells", PERCENT),
        Metric("dice", "Dice", better="higher"),
        Metric("balanced_accuracy", "balanced accuracy", PERCENT, better="higher"),
        Metric("auc", "AUC", better="higher"),
        Metric("sensitivity", "sensitivity", PERCENT, better="higher"),
        Metric("specificity", "specificity", PERCENT, better="higher"),
        Metric("cluster_sensitivity", "sensitivity within the moving cluster", PERCENT, better="higher"),
        Metric("cluster_specificity", "specificity where the cluster is in another layer", PERCENT, better="higher"),
        Metric("bleed_through", "bleed-through: the cluster predicted in a layer next to its own", PERCENT),
        Metric("occupancy_error", "layers taken for empty or occupied by mistake", PERCENT),
        Metric("count_exact", "exact number of layers", PERCENT, better="higher"),
        Metric("count_within_one", "number of layers within one", PERCENT, better="higher"),
        Metric("missed_layers", "missed layers of a sample"),
        Metric("phantom_layers", "phantom layers of a sample"),
        Metric("calibration_error_before", "calibration error as predicted", PERCENT),
        Metric("calibration_error", "calibration error", PERCENT),
        Metric("depth_coverage_68_before", "depths within their 68 % interval as predicted", PERCENT),
        Metric("depth_coverage_68", "depths within their 68 % interval", PERCENT),
        Metric("depth_coverage_95_before", "depths within their 95 % interval as predicted", PERCENT),
        Metric("depth_coverage_95", "depths within their 95 % interval", PERCENT),
        Metric("coverage", "pixels kept", PERCENT, better="higher"),
        Metric("risk", "error among the pixels kept", PERCENT),
        Metric("flagged", "flagged", PERCENT),
        Metric("auroc", "AUROC against test samples", better="higher"),
    )
)
