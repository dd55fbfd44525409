# How far to trust predictions. Reads models, validation shards and predictions; writes
# {results}/models/{network}.recalibration.json, {results}/trust/*.csv and {results}/tables/trust.*.


rule recalibrate_network:
    """Fit the recalibration of a network, its abstention and its flag of out-of-distribution inputs to validation samples."""
    input:
        **project.model(),
        psf=project.psf,
        validation=project.training_shards("validation"),
    output:
        recalibration=project.model_files("{network}").recalibration,
    log:
        project.log("recalibrate_network", "network"),
    benchmark:
        project.benchmark("recalibrate_network", "network")
    wildcard_constraints:
        network=wildcard_regex(project.networks),
    conda:
        "../../envs/foci3d.yaml"
    threads: project.value("compute/threads")
    params:
        inference=lambda wildcards: project.inference(wildcards.network),
        trust=project.value("trust"),
        appearances=project.appearance_shares,
        code=project.code("recalibrate_network"),
    script:
        "../scripts/recalibrate_network.py"


rule assess_trust:
    """Calibration error, risk at reduced coverage, and detection of inputs that do not fit the training data."""
    input:
        **project.model(project.value("trust/network"), "recalibration"),
        psf=project.psf,
        predictions=project.predictions(project.value("trust/network"), project.value("trust/dataset")),
    output:
        **table_outputs("trust"),
        **project.trust_tables(),
    log:
        project.log("assess_trust"),
    benchmark:
        project.benchmark("assess_trust")
    conda:
        "../../envs/foci3d.yaml"
    threads: project.value("compute/threads")
    params:
        note=table_note("trust"),
        n_samples=project.value("trust/n_samples"),
        inference=project.inference(project.value("trust/network")),
        n_bootstrap=project.value("n_bootstrap"),
        seed=project.value("seed"),
        code=project.code("assess_trust"),
    script:
        "../scripts/assess_trust.py"
