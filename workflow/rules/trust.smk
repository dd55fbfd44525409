# How far to trust predictions. Reads models, validation shards and predictions; writes
# {results}/models/{network}.recalibration.json, {results}/trust/*.csv, {results}/tables/trust.* and figures.


rule recalibrate_network:
    """Fit the recalibration of a network, its abstention and its flag of out-of-distribution inputs to validation samples."""
    input:
        weights=f"{RESULTS}/models/{{network}}.safetensors",
        model=f"{RESULTS}/models/{{network}}.json",
        psf=PSF,
        validation=training_shards("validation"),
    output:
        recalibration=f"{RESULTS}/models/{{network}}.recalibration.json",
    log:
        f"{RESULTS}/logs/recalibrate_network/{{network}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/recalibrate_network/{{network}}.tsv"
    wildcard_constraints:
        network=wildcard_regex([*NETWORKS, *SEED_REPLICATES]),
    conda:
        "../../envs/foci3d.yaml"
    threads: config["compute"]["threads"]
    params:
        trust=config["trust"],
        device=config["compute"]["device"],
        average_symmetries=lambda wildcards: get_network(wildcards).average_symmetries,
        code=code_of("recalibrate_network"),
    script:
        "../scripts/recalibrate_network.py"


rule assess_trust:
    """Calibration error, risk at reduced coverage, and detection of inputs that do not fit the training data."""
    input:
        weights=f"{RESULTS}/models/{CONFIG.trust.network}.safetensors",
        model=f"{RESULTS}/models/{CONFIG.trust.network}.json",
        recalibration=f"{RESULTS}/models/{CONFIG.trust.network}.recalibration.json",
        psf=PSF,
        predictions=f"{RESULTS}/predictions/{CONFIG.trust.network}/{CONFIG.trust.dataset}.h5",
    output:
        **table_outputs("trust"),
        reliability=f"{RESULTS}/trust/reliability.csv",
        risk=f"{RESULTS}/trust/risk_coverage.csv",
        scores=f"{RESULTS}/trust/scores.csv",
    log:
        f"{RESULTS}/logs/assess_trust.log",
    benchmark:
        f"{RESULTS}/benchmarks/assess_trust.tsv"
    conda:
        "../../envs/foci3d.yaml"
    threads: config["compute"]["threads"]
    params:
        n_samples=CONFIG.trust.n_samples,
        device=config["compute"]["device"],
        n_bootstrap=CONFIG.n_bootstrap,
        seed=CONFIG.seed,
        code=code_of("assess_trust"),
    script:
        "../scripts/assess_trust.py"


rule fig_trust:
    """Reliability before and after recalibration, risk against coverage, and scores of out-of-distribution inputs."""
    input:
        reliability=f"{RESULTS}/trust/reliability.csv",
        risk=f"{RESULTS}/trust/risk_coverage.csv",
        scores=f"{RESULTS}/trust/scores.csv",
        table=f"{RESULTS}/tables/trust.csv",
    output:
        fig_reliability=figure_output("fig_reliability", "Trust"),
        fig_risk_coverage=figure_output("fig_risk_coverage", "Trust"),
        fig_ood=figure_output("fig_ood", "Trust"),
    log:
        f"{RESULTS}/logs/fig_trust.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        coverage=CONFIG.trust.coverage,
        code=code_of("fig_trust"),
    script:
        "../scripts/fig_trust.py"
