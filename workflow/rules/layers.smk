# Networks on stacks with different numbers of layers and of sensors. Reads summaries of tests;
# writes {results}/tables/layers.* and {results}/figures/fig_layers.*.


rule make_layers:
    """Errors by layer of the networks of `layers`, with the numbers of layers and of sensors."""
    input:
        summaries=[f"{RESULTS}/scores/{name}/{NETWORKS[name].dataset}/summary.csv" for name in CONFIG.layers],
    output:
        **table_outputs("layers"),
    log:
        f"{RESULTS}/logs/make_layers.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        n_sensors={name: len(DATASETS[NETWORKS[name].dataset].sensors) for name in CONFIG.layers},
        code=code_of("make_layers"),
    script:
        "../scripts/make_layers.py"


rule fig_layers:
    """Errors of the networks of `layers` against the number of layers."""
    input:
        table=f"{RESULTS}/tables/layers.csv",
    output:
        figure=figure_output("fig_layers", "Layers"),
    log:
        f"{RESULTS}/logs/fig_layers.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("fig_layers"),
    script:
        "../scripts/fig_layers.py"
