# Classical methods: deconvolution at given depths. Reads the PSF and shards; writes
# {results}/predictions/{network}/{dataset}.h5 as networks do, and {results}/tables/baselines.*.


rule predict_classical:
    """Apply a classical method, tuned on the validation split, to the test split of a dataset."""
    input:
        psf=PSF,
        validation=baseline_shards,
        test=test_shards,
    output:
        predictions=f"{RESULTS}/predictions/{{network}}/{{dataset}}.h5",
    log:
        f"{RESULTS}/logs/predict_classical/{{network}}-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict_classical/{{network}}-{{dataset}}.tsv"
    wildcard_constraints:
        network=wildcard_regex(BASELINES),
    conda:
        "../../envs/foci3d.yaml"
    threads: config["compute"]["threads"]
    params:
        task=lookup("baselines/{network}/task", within=config),
        method=lookup("baselines/{network}/method", within=config),
        smoothing_sigma_px=lookup("baselines/{network}/smoothing_sigma_px", within=config),
        depth_sd_um=lookup("baselines/{network}/depth_sd_um", within=config),
        depth_range_um=lookup("datasets/{dataset}/depth_range_um", within=config),
        sensor_separation_um=config["imager"]["sensor_separation_um"],
        seed=CONFIG.seed,
        code=code_of("predict_classical"),
    script:
        "../scripts/predict_classical.py"


rule make_baselines:
    """Networks and classical methods on the same test datasets, by the same metrics."""
    input:
        networks=summaries(NETWORKS, {name for baseline in BASELINES.values() for name in baseline.test_datasets}),
        baselines=summaries(BASELINES),
    output:
        **table_outputs("baselines"),
    log:
        f"{RESULTS}/logs/make_baselines.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("make_baselines"),
    script:
        "../scripts/make_baselines.py"
