# Test-set evaluation. Reads models and test shards; writes {results}/predictions/{network}/{dataset}.h5,
# {results}/scores/{network}/{dataset}/{samples,summary,roc}.csv and {results}/tables/*.csv.


rule predict:
    """Apply a trained network to the test split of a dataset; outputs, targets and measurements."""
    input:
        weights=f"{RESULTS}/models/{{network}}.safetensors",
        model=f"{RESULTS}/models/{{network}}.json",
        psf=PSF,
        test=test_shards,
    output:
        predictions=f"{RESULTS}/predictions/{{network}}/{{dataset}}.h5",
    log:
        f"{RESULTS}/logs/predict/{{network}}-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict/{{network}}-{{dataset}}.tsv"
    wildcard_constraints:
        network=wildcard_regex([*NETWORKS, *SEED_REPLICATES]),
    conda:
        "../../envs/foci3d.yaml"
    threads: config["compute"]["threads"]
    params:
        device=config["compute"]["device"],
        average_symmetries=lambda wildcards: get_network(wildcards).average_symmetries,
        code=code_of("predict"),
    script:
        "../scripts/predict.py"


rule score:
    """Metrics of every test sample and, with 95 % bootstrap intervals, of the whole test."""
    input:
        predictions=f"{RESULTS}/predictions/{{network}}/{{dataset}}.h5",
    output:
        samples=f"{RESULTS}/scores/{{network}}/{{dataset}}/samples.csv",
        summary=f"{RESULTS}/scores/{{network}}/{{dataset}}/summary.csv",
    log:
        f"{RESULTS}/logs/score/{{network}}-{{dataset}}.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        max_depth_um=lookup("datasets/{dataset}/depth_range_um/1", within=config),
        n_bootstrap=CONFIG.n_bootstrap,
        seed=CONFIG.seed,
        code=code_of("score"),
    script:
        "../scripts/score.py"


rule trace_roc:
    """Receiver operating characteristic of each layer and averaged over layers."""
    input:
        predictions=f"{RESULTS}/predictions/{{network}}/{{dataset}}.h5",
    output:
        roc=f"{RESULTS}/scores/{{network}}/{{dataset}}/roc.csv",
    log:
        f"{RESULTS}/logs/trace_roc/{{network}}-{{dataset}}.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("trace_roc"),
    script:
        "../scripts/trace_roc.py"


rule make_scorecard:
    """Every claim of the paper beside the scores of networks and classical methods, intervals, baseline and verdicts."""
    input:
        summaries=summaries(NETWORKS | BASELINES),
        claims=workflow.source_path("../../resources/paper_claims.csv"),
    output:
        **table_outputs("scorecard"),
    log:
        f"{RESULTS}/logs/make_scorecard.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        classical=[*BASELINES],
        code=code_of("make_scorecard"),
    script:
        "../scripts/make_scorecard.py"


rule make_table1:
    """Table 1: the average accuracy of each module beside the paper's."""
    input:
        scorecard=f"{RESULTS}/tables/scorecard.csv",
        layout=workflow.source_path("../../resources/table1.csv"),
    output:
        **table_outputs("table1"),
    log:
        f"{RESULTS}/logs/make_table1.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("make_table1"),
    script:
        "../scripts/make_table1.py"


rule make_tableS1:
    """Table S1: error rate by layer with one sensor, with two, and with the ResNet, and its reduction by the second."""
    input:
        one_sensor=figure_inputs("figS2", "summary")["summary"],
        two_sensors=[figure_inputs(figure, "summary")["summary"] for figure in ("fig4", "figS4")],
    output:
        **table_outputs("tableS1"),
    log:
        f"{RESULTS}/logs/make_tableS1.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("make_tableS1"),
    script:
        "../scripts/make_tableS1.py"


rule make_coverage:
    """Fig. S1: error of the depth maps by the coverage of the scene, and where it is the paper's."""
    input:
        samples=expand(
            f"{RESULTS}/scores/{{network}}/{CONFIG.figures.figS1.dataset}/samples.csv", network=depth_map_networks()
        ),
        claims=workflow.source_path("../../resources/paper_claims.csv"),
    output:
        **table_outputs("coverage"),
    log:
        f"{RESULTS}/logs/make_coverage.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        networks=depth_map_networks(),
        n_bootstrap=CONFIG.n_bootstrap,
        seed=CONFIG.seed,
        code=code_of("make_coverage"),
    script:
        "../scripts/make_coverage.py"


rule make_seeds:
    """Error by layer of networks trained with several seeds, and its standard deviation over them."""
    input:
        summaries=replicate_summaries(),
    output:
        **table_outputs("seeds"),
    log:
        f"{RESULTS}/logs/make_seeds.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        root_seed=CONFIG.seed,
        code=code_of("make_seeds"),
    script:
        "../scripts/make_seeds.py"


rule compute_bounds:
    """Cramer-Rao bound of depth, and the share of each layer that a linear method recovers, from the PSF."""
    input:
        psf=PSF,
        depth_shards=shards(CONFIG.figures.fig2.dataset, "validation"),
        stack_shards=shards(CONFIG.figures.fig4.dataset, "validation"),
    output:
        depth=f"{RESULTS}/tables/bounds_depth.csv",
        layers=f"{RESULTS}/tables/bounds_layers.csv",
    log:
        f"{RESULTS}/logs/compute_bounds.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        specimen=config["specimen"] if DATASETS[CONFIG.figures.fig2.dataset].is_synthetic else None,
        sensor=config["sensor"] if DATASETS[CONFIG.figures.fig2.dataset].is_synthetic else None,
        class_width_um=DATASETS[CONFIG.figures.fig2.dataset].depth_step_um,
        sensor_separation_um=config["imager"]["sensor_separation_um"],
        power_snr=config["bounds"]["power_snr"],
        code=code_of("compute_bounds"),
    script:
        "../scripts/compute_bounds.py"
