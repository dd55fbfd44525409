# What a user has without a network: deconvolution at known depths. Reads the PSF and shards; writes
# {results}/predictions/{net}/{set}.h5 as networks do, and {results}/tables/baselines.*.


rule predict_classical:
    """Apply a classical method to the test split of a set; its parameters are chosen on the validation split."""
    input:
        psf=PSF,
        validation=baseline_shards,
        test=test_shards,
    output:
        predictions=f"{RESULTS}/predictions/{{net}}/{{set}}.h5",
    log:
        f"{RESULTS}/logs/predict_classical/{{net}}-{{set}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict_classical/{{net}}-{{set}}.tsv"
    wildcard_constraints:
        net=one_of(BASELINES),
    conda:
        "../../envs/foci3d.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        entry=lookup("baselines/{net}", within=config),
        sensor_separation_um=lookup("imager/sensor_separation_um", within=config),
        code=code_of("predict_classical"),
    script:
        "../scripts/predict_classical.py"


rule make_baselines:
    """Networks beside classical methods, on the same tests by the same measures."""
    input:
        networks=summaries(NETS, {name for entry in BASELINES.values() for name in entry["tests"]}),
        baselines=summaries(BASELINES),
    output:
        csv=report(
            f"{RESULTS}/tables/baselines.csv",
            category="Tables",
            caption="../report/baselines.rst",
            labels={"table": "baselines", "form": "CSV"},
        ),
        html=report(
            f"{RESULTS}/tables/baselines.html",
            category="Tables",
            caption="../report/baselines.rst",
            labels={"table": "baselines", "form": "page"},
        ),
        markdown=f"{RESULTS}/tables/baselines.md",
    log:
        f"{RESULTS}/logs/make_baselines.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("make_baselines"),
    script:
        "../scripts/make_baselines.py"
