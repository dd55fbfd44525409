"""The figures and tables of the core: their rules differ in names, inputs and params alone.

`workflow/rules/report.smk` makes the rules. Each panel and each table has a caption of its name in `workflow/report`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from foci3d.workflow.project import Project

Values = Callable[[Project], Mapping[str, Any]]


def _nothing(project: Project) -> dict[str, Any]:
    return {}


def _pixel_pitch(project: Project) -> dict[str, Any]:
    return {"pixel_pitch_um": project.config.imager.pixel_pitch_um}


def _geometry(project: Project) -> dict[str, Any]:
    return _pixel_pitch(project) | {"sensor_separation_um": project.config.imager.sensor_separation_um}


@dataclass(frozen=True)
class Figure:
    """A figure, drawn in seconds from files of other rules.

    Parameters
    ----------
    name : str
        Name of the rule, and of the script where no other is given.
    summary : str
        What it shows, in one sentence: the docstring of the rule.
    category : str
        Heading in the report.
    inputs, params : callable
        Inputs and params of the rule by name, of a project.
    panels : tuple of str
        Names of its files, which are outputs of these names; without any, the output `figure` is named as the rule.
    script : str
        Name of the script, for a figure that only differs in its inputs from another one.
    view : str
        Panel that has an interactive page, too, as output `view`.
    """

    name: str
    summary: str
    category: str
    inputs: Values
    params: Values = _nothing
    panels: tuple[str, ...] = ()
    script: str = ""
    view: str = ""

    @property
    def outputs(self) -> dict[str, str]:
        """Name of each panel by the name of the output."""
        return {panel: panel for panel in self.panels} or {"figure": self.name}


@dataclass(frozen=True)
class Table:
    """A table, made in seconds from files of other rules.

    Parameters
    ----------
    name : str
        Name of the table; rule and script have the prefix ``make_``.
    summary : str
        What it holds, in one sentence: the docstring of the rule.
    inputs, params : callable
        Inputs and params of the rule by name, of a project.
    """

    name: str
    summary: str
    inputs: Values
    params: Values = _nothing


def _bootstrap(project: Project) -> dict[str, Any]:
    return {"n_bootstrap": project.config.n_bootstrap, "seed": project.config.seed}


CLAIMS = "paper_claims.csv"

FIGURES = (
    Figure(
        "fig2",
        "Fig. 2: predicted against true depth (a); accuracy and loss by depth, and the Cramer-Rao bound (b).",
        "Depth classes",
        lambda project: {**project.shown("fig2", "samples"), "bounds": project.table("bounds_depth")},
        panels=("fig2a", "fig2b"),
    ),
    Figure(
        "fig3",
        "Fig. 3: a measurement, the network's output and the target (a); distribution of the pixel error (b).",
        "Deblurring",
        lambda project: project.shown("fig3", "predictions", "samples"),
        _pixel_pitch,
        ("fig3a", "fig3b"),
    ),
    Figure(
        "fig4",
        "Fig. 4: two sensors; measurements, outputs and targets (a), error by layer (b), 3-D view (c).",
        "Stacks of layers",
        lambda project: {**project.shown("fig4", "predictions", "samples"), "bounds": project.table("bounds_layers")},
        _geometry,
        ("fig4a", "fig4b", "fig4c"),
        view="fig4c",
    ),
    Figure(
        "fig5",
        "Fig. 5: a cluster moves through the layers; the scheme (a) and the reconstruction of the four steps (b).",
        "Moving cluster",
        lambda project: project.shown("fig5", "predictions", "samples"),
        _geometry,
        ("fig5a", "fig5b"),
    ),
    Figure(
        "fig6",
        "Fig. 6: moving cluster; sensitivity and specificity by layer (a), receiver operating characteristic (b).",
        "Moving cluster",
        lambda project: project.shown("fig6", "summary", "roc"),
        panels=("fig6a", "fig6b"),
    ),
    Figure(
        "fig7",
        "Fig. 7: real images; layers, measurements, outputs and overlay.",
        "Real images",
        lambda project: project.shown("fig7", "predictions", "samples", "summary"),
        _pixel_pitch,
    ),
    Figure(
        "figS1",
        "Fig. S1: two layers without overlap; depth maps, distribution of their error, and error by coverage.",
        "Depth maps",
        lambda project: {**project.shown("figS1", "predictions", "samples"), "coverage": project.table("coverage")},
        lambda project: {
            **_pixel_pitch(project),
            "max_depth_um": project.config.datasets[project.config.figures.figS1.dataset].depth_range_um[1],
        },
    ),
    Figure(
        "figS2",
        "Fig. S2: one sensor; measurement, outputs and targets, and error by layer.",
        "Stacks of layers",
        lambda project: project.shown("figS2", "predictions", "samples"),
        _pixel_pitch,
    ),
    Figure(
        "figS3",
        "Fig. S3: the blocks of the ResNet and CNN, traced from the trained model, with its inputs and outputs.",
        "Stacks of layers",
        lambda project: {
            **project.model(project.config.figures.figS3.network),
            **project.shown("figS3", "predictions", "samples"),
        },
        _pixel_pitch,
    ),
    Figure(
        "figS4",
        "Fig. S4: as Fig. S2, for the ResNet and CNN with two sensors.",
        "Stacks of layers",
        lambda project: project.shown("figS4", "predictions", "samples"),
        _pixel_pitch,
        script="figS2",
    ),
    Figure(
        "fig_psf",
        "The calibrated point-spread function: profiles, width against depth, residuals, kernels.",
        "Calibration",
        lambda project: {**project.measured_psf(), "psf": project.psf},
    ),
    Figure(
        "fig_scenes",
        "Synthetic layers: examples, and their statistics beside those of the published sample.",
        "Data",
        lambda project: {
            "shards": project.shards(project.config.reference_dataset, "validation"),
            "layers": project.scene_layers,
            "statistics": project.table("scene_statistics"),
        },
    ),
    Figure(
        "fig_training",
        "Training curves of every network.",
        "Training",
        lambda project: {"curves": project.curves(project.config.networks)},
    ),
    Figure(
        "fig_trust",
        "Reliability before and after recalibration, risk against coverage, and scores of out-of-distribution inputs.",
        "Trust",
        lambda project: {**project.trust_tables(), "table": project.table("trust")},
        lambda project: {"coverage": project.config.trust.coverage},
        ("fig_reliability", "fig_risk_coverage", "fig_ood"),
    ),
)

TABLES = (
    Table(
        "baselines",
        "Networks and classical methods on the same test datasets, by the same metrics.",
        lambda project: {
            "networks": project.summaries(project.config.networks, project.baseline_datasets()),
            "baselines": project.summaries(project.config.baselines),
        },
    ),
    Table(
        "scorecard",
        "Every claim of the paper beside the scores of all methods, their intervals, the baseline and verdicts.",
        lambda project: {
            "summaries": project.summaries([*project.config.networks, *project.config.baselines]),
            "claims": project.resource(CLAIMS),
        },
        lambda project: {"classical": [*project.config.baselines]},
    ),
    Table(
        "table1",
        "Table 1: the average accuracy of each module beside the paper's.",
        lambda project: {"scorecard": project.table("scorecard"), "layout": project.resource("table1.csv")},
    ),
    Table(
        "tableS1",
        "Table S1: error rate by layer with one sensor, with two and with the ResNet; its reduction by the second.",
        lambda project: {
            "one_sensor": project.shown("figS2", "summary")["summary"],
            "two_sensors": [project.shown(figure, "summary")["summary"] for figure in ("fig4", "figS4")],
        },
    ),
    Table(
        "coverage",
        "Fig. S1: error of the depth maps by the coverage of the scene, and where it is the paper's.",
        lambda project: {
            "samples": [
                project.scores("samples", network, project.config.figures.figS1.dataset)
                for network in project.depth_map_networks()
            ],
            "claims": project.resource(CLAIMS),
        },
        lambda project: {"networks": project.depth_map_networks(), **_bootstrap(project)},
    ),
)

PANELS = tuple(panel for figure in FIGURES for panel in figure.outputs.values())
"""Names of all panels."""

TABLE_NAMES = (*(table.name for table in TABLES), "trust")
"""Names of all tables; that of the reliability has a rule of its own."""
