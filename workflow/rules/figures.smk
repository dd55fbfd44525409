# The figures and tables of the core, drawn in seconds from files of the other stages. Writes {results}/figures and
# {results}/tables. Each panel has a caption of its name in report/figures, each table in report/tables.

PITCH = {"pixel_pitch_um": project.value("imager/pixel_pitch_um")}
GEOMETRY = {**PITCH, "sensor_separation_um": project.value("imager/sensor_separation_um")}
BOOTSTRAP = {"n_bootstrap": project.value("n_bootstrap"), "seed": project.value("seed")}
NETWORKS, BASELINES = project.config.networks, project.config.baselines
CLAIMS = project.resource("paper_claims.csv")

add_figure(
    "fig2",
    "Fig. 2: predicted against true depth (a); accuracy and loss by depth, and the Cramer-Rao bound (b).",
    "Depth classes",
    {**project.shown("fig2", "samples"), "bounds": project.table("bounds_depth")},
    panels=["fig2a", "fig2b"],
)
add_figure(
    "fig3",
    "Fig. 3: a measurement, the network's output and the target (a); distribution of the pixel error (b).",
    "Deblurring",
    project.shown("fig3", "predictions", "samples"),
    PITCH,
    panels=["fig3a", "fig3b"],
)
add_figure(
    "fig4",
    "Fig. 4: two sensors; measurements, outputs and targets (a), error by layer (b), 3-D view (c).",
    "Stacks of layers",
    {
        **project.shown("fig4", "predictions", "samples"),
        **project.beside("fig4"),
        "bounds": project.table("bounds_layers"),
    },
    GEOMETRY,
    panels=["fig4a", "fig4b", "fig4c"],
    others={
        "view": report_entry(project.figure("fig4c", "html"), "fig4c", "Stacks of layers", figure="4c, interactive")
    },
)
add_figure(
    "fig_moving",
    "Figs. 5 and 6: a cluster moves through the layers (5a), its reconstruction (5b), rates by layer (6a), ROC (6b).",
    "Moving cluster",
    {**project.shown("fig5", "predictions", "samples"), **project.shown("fig6", "summary", "roc")},
    GEOMETRY,
    panels=["fig5a", "fig5b", "fig6a", "fig6b"],
)
add_figure(
    "fig7",
    "Fig. 7: real images; layers, measurements, outputs and overlay.",
    "Real images",
    project.shown("fig7", "predictions", "samples", "summary"),
    PITCH,
)
add_figure(
    "figS1",
    "Fig. S1: two layers without overlap; depth maps, distribution of their error, and error by coverage, also as table.",
    "Depth maps",
    {
        **project.shown("figS1", "predictions", "samples"),
        "compared": [project.scores("samples", *test) for test in project.depth_map_tests()],
        "claims": CLAIMS,
    },
    {
        **PITCH,
        **BOOTSTRAP,
        "max_depth_um": project.value(f"datasets/{project.value('figures/figS1/dataset')}/depth_range_um/1"),
        "networks": [network for network, _ in project.depth_map_tests()],
        "note": table_note("coverage"),
    },
    others=table_outputs("coverage"),
)
add_figure(
    "figS2",
    "Fig. S2: one sensor; measurement, outputs and targets, and error by layer.",
    "Stacks of layers",
    project.shown("figS2", "predictions", "samples"),
    PITCH,
)
add_figure(
    "figS3",
    "Fig. S3: the blocks of the ResNet and CNN, traced from the trained model, with its inputs and outputs.",
    "Stacks of layers",
    {**project.model(project.value("figures/figS3/network")), **project.shown("figS3", "predictions", "samples")},
    PITCH,
)
add_figure(
    "figS4",
    "Fig. S4: as Fig. S2, for the ResNet and CNN with two sensors.",
    "Stacks of layers",
    project.shown("figS4", "predictions", "samples"),
    PITCH,
    script="figS2",
)
add_figure(
    "fig_psf",
    "The calibrated point-spread function: profiles, width against depth, residuals, kernels.",
    "Calibration",
    {**project.measured_psf(), "psf": project.psf},
)
add_figure(
    "fig_scenes",
    "Synthetic layers: examples, and coverage, speckle and contrast beside those of the published sample.",
    "Data",
    {
        "shards": project.shards(project.config.reference_dataset, "validation"),
        "published": project.resource("published_sample.csv"),
    },
    others={"layers": project.scene_layers, "statistics": project.table("scene_statistics")},
)
add_figure("fig_training", "Training curves of every network.", "Training", {"curves": project.curves(NETWORKS)})
add_figure(
    "fig_trust",
    "Reliability before and after recalibration, risk against coverage, and scores of out-of-distribution inputs.",
    "Trust",
    {**project.trust_tables(), "table": project.table("trust")},
    {"coverage": project.value("trust/coverage")},
    panels=["fig_reliability", "fig_risk_coverage", "fig_ood"],
)

add_table(
    "baselines",
    "Networks and classical methods on the same test datasets, by the same metrics.",
    {
        "networks": project.summaries(
            NETWORKS, {name for method in BASELINES.values() for name in method.test_datasets}
        ),
        "baselines": project.summaries(BASELINES),
    },
)
add_rule(
    "make_scorecard",
    "Every claim of the paper beside the scores of all methods, with verdicts; Table 1: average accuracy of each module.",
    {
        "summaries": project.summaries([*NETWORKS, *BASELINES]),
        "claims": CLAIMS,
        "layout": project.resource("table1.csv"),
    },
    {**table_outputs("scorecard"), "table1": [*table_outputs("table1").values()]},
    {"classical": [*BASELINES], "note": table_note("scorecard"), "table1_note": table_note("table1")},
    "make_scorecard",
)
add_table(
    "tableS1",
    "Table S1: error rate by layer with one sensor, with two and with the ResNet; its reduction by the second.",
    {
        "one_sensor": project.shown("figS2", "summary")["summary"],
        "two_sensors": [project.shown(figure, "summary")["summary"] for figure in ("fig4", "figS4")],
    },
)
