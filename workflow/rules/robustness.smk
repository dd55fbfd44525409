# Trained networks on imagers that differ from the calibrated one. Reads models and test shards; writes
# {results}/robustness/{network}.csv, {results}/tables/robustness.* and {results}/figures/fig_robustness.*.


rule assess_robustness:
    """Scores of a network under a wrong PSF, with noise, and with a misplaced sensor B; it is not trained again."""
    input:
        weights=f"{RESULTS}/models/{{network}}.safetensors",
        model=f"{RESULTS}/models/{{network}}.json",
        psf=PSF,
        test=training_shards("test"),
    output:
        scores=f"{RESULTS}/robustness/{{network}}.csv",
    log:
        f"{RESULTS}/logs/assess_robustness/{{network}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/assess_robustness/{{network}}.tsv"
    wildcard_constraints:
        network=wildcard_regex(NETWORKS),
    conda:
        "../../envs/foci3d.yaml"
    threads: config["compute"]["threads"]
    params:
        dataset_name=lambda wildcards: get_network(wildcards).dataset,
        robustness=config["robustness"],
        sensor=config["sensor"],
        max_depth_um=lambda wildcards: DATASETS[get_network(wildcards).dataset].depth_range_um[1],
        device=config["compute"]["device"],
        average_symmetries=lambda wildcards: get_network(wildcards).average_symmetries,
        n_bootstrap=CONFIG.n_bootstrap,
        seed=CONFIG.seed,
        code=code_of("assess_robustness"),
    script:
        "../scripts/assess_robustness.py"


rule make_robustness:
    """Errors of networks on imagers that differ from the calibrated one."""
    input:
        scores=expand(f"{RESULTS}/robustness/{{network}}.csv", network=CONFIG.robustness.networks),
    output:
        **table_outputs("robustness"),
    log:
        f"{RESULTS}/logs/make_robustness.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("make_robustness"),
    script:
        "../scripts/make_robustness.py"


rule fig_robustness:
    """Errors of networks against the errors of the imager."""
    input:
        table=f"{RESULTS}/tables/robustness.csv",
    output:
        figure=figure_output("fig_robustness", "Robustness"),
    log:
        f"{RESULTS}/logs/fig_robustness.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("fig_robustness"),
    script:
        "../scripts/fig_robustness.py"
