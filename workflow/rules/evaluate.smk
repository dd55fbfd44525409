# Test-set evaluation. Reads models and test shards; writes {results}/predictions/{net}/{set}.h5,
# {results}/scores/{net}/{set}/{samples,summary,roc}.csv and {results}/tables/*.csv.


rule predict:
    """Apply a trained network to the test split of a set; keeps inputs and truth beside the outputs."""
    input:
        weights=f"{RESULTS}/models/{{net}}.safetensors",
        model=f"{RESULTS}/models/{{net}}.json",
        test=test_shards,
    output:
        predictions=f"{RESULTS}/predictions/{{net}}/{{set}}.h5",
    log:
        f"{RESULTS}/logs/predict/{{net}}-{{set}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict/{{net}}-{{set}}.tsv"
    wildcard_constraints:
        net=one_of([*NETS, *REPEATS]),
    conda:
        "../../envs/foci3d.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        compute=lookup("compute", within=config),
        code=code_of("predict"),
    script:
        "../scripts/predict.py"


rule score:
    """Measures of every test sample and, with 95 % bootstrap intervals, of the whole test."""
    input:
        predictions=f"{RESULTS}/predictions/{{net}}/{{set}}.h5",
    output:
        samples=f"{RESULTS}/scores/{{net}}/{{set}}/samples.csv",
        summary=f"{RESULTS}/scores/{{net}}/{{set}}/summary.csv",
    log:
        f"{RESULTS}/logs/score/{{net}}-{{set}}.log",
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=3000,
        runtime=20,
    params:
        depth_range_um=lookup("sets/{set}/depth_range_um", within=config),
        bootstrap=lookup("bootstrap", within=config),
        seed=lookup("seed", within=config),
        code=code_of("score"),
    script:
        "../scripts/score.py"


rule trace_roc:
    """Receiver operating characteristic of each layer and averaged over layers."""
    input:
        predictions=f"{RESULTS}/predictions/{{net}}/{{set}}.h5",
    output:
        roc=f"{RESULTS}/scores/{{net}}/{{set}}/roc.csv",
    log:
        f"{RESULTS}/logs/trace_roc/{{net}}-{{set}}.log",
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=3000,
        runtime=20,
    params:
        code=code_of("trace_roc"),
    script:
        "../scripts/trace_roc.py"


rule make_scorecard:
    """Every claim of the paper beside our number, its interval, the base rate and a verdict."""
    input:
        summaries=summaries(NETS),
        claims=workflow.source_path("../../resources/paper_claims.csv"),
    output:
        csv=report(
            f"{RESULTS}/tables/scorecard.csv",
            category="Tables",
            caption="../report/scorecard.rst",
            labels={"table": "scorecard", "form": "CSV"},
        ),
        html=report(
            f"{RESULTS}/tables/scorecard.html",
            category="Tables",
            caption="../report/scorecard.rst",
            labels={"table": "scorecard", "form": "page"},
        ),
        markdown=f"{RESULTS}/tables/scorecard.md",
    log:
        f"{RESULTS}/logs/make_scorecard.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("make_scorecard"),
    script:
        "../scripts/make_scorecard.py"


rule make_table1:
    """Table 1: the average accuracy of each module beside the paper's."""
    input:
        scorecard=f"{RESULTS}/tables/scorecard.csv",
        layout=workflow.source_path("../../resources/table1.csv"),
    output:
        csv=report(
            f"{RESULTS}/tables/table1.csv",
            category="Tables",
            caption="../report/table1.rst",
            labels={"table": "1", "form": "CSV"},
        ),
        html=report(
            f"{RESULTS}/tables/table1.html",
            category="Tables",
            caption="../report/table1.rst",
            labels={"table": "1", "form": "page"},
        ),
        markdown=f"{RESULTS}/tables/table1.md",
    log:
        f"{RESULTS}/logs/make_table1.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("make_table1"),
    script:
        "../scripts/make_table1.py"


rule make_tableS1:
    """Table S1: error rate by layer with one sensor, with two, and with the ResNet, and how much the second sensor cuts."""
    input:
        one_sensor=shown_in("figS2", "summary")["summary"],
        two_sensors=[shown_in(figure, "summary")["summary"] for figure in ("fig4", "figS4")],
    output:
        csv=report(
            f"{RESULTS}/tables/tableS1.csv",
            category="Tables",
            caption="../report/tableS1.rst",
            labels={"table": "S1", "form": "CSV"},
        ),
        html=report(
            f"{RESULTS}/tables/tableS1.html",
            category="Tables",
            caption="../report/tableS1.rst",
            labels={"table": "S1", "form": "page"},
        ),
        markdown=f"{RESULTS}/tables/tableS1.md",
    log:
        f"{RESULTS}/logs/make_tableS1.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("make_tableS1"),
    script:
        "../scripts/make_tableS1.py"


rule make_seeds:
    """Error by layer of networks trained with several seeds, and its spread over them."""
    input:
        summaries=repeated_summaries(),
    output:
        csv=f"{RESULTS}/tables/seeds.csv",
        html=f"{RESULTS}/tables/seeds.html",
        markdown=f"{RESULTS}/tables/seeds.md",
    log:
        f"{RESULTS}/logs/make_seeds.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        root_seed=lookup("seed", within=config),
        code=code_of("make_seeds"),
    script:
        "../scripts/make_seeds.py"


rule compute_limits:
    """Cramer-Rao bound of depth, and the share of each layer that a linear method recovers, from the PSF."""
    input:
        psf=PSF,
        depth_set=shards(config["figures"]["fig2"]["set"], "validation"),
        stack_set=shards(config["figures"]["fig4"]["set"], "validation"),
    output:
        depth=f"{RESULTS}/tables/limits_depth.csv",
        layers=f"{RESULTS}/tables/limits_layers.csv",
    log:
        f"{RESULTS}/logs/compute_limits.log",
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        class_width_um=lookup(f"sets/{config['figures']['fig2']['set']}/depth_step_um", within=config),
        sensor_separation_um=lookup("imager/sensor_separation_um", within=config),
        power_snr=lookup("limits/power_snr", within=config),
        code=code_of("compute_limits"),
    script:
        "../scripts/compute_limits.py"
