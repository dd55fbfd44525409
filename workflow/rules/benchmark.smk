# The benchmark: scores of any method on frozen test datasets. Reads predictions files, test shards and resources;
# writes {results}/predictions/{network}/{dataset}.h5 for each entry, and {results}/tables/benchmark*.


rule import_predictions:
    """The predictions of a benchmark entry, checked against the frozen test dataset."""
    input:
        entry=entry_file,
        test=test_shards,
        frozen=workflow.source_path("../../resources/benchmark.yaml"),
    output:
        predictions=f"{RESULTS}/predictions/{{network}}/{{dataset}}.h5",
    log:
        f"{RESULTS}/logs/import_predictions/{{network}}-{{dataset}}.log",
    wildcard_constraints:
        network=wildcard_regex(BENCHMARK_ENTRIES),
    conda:
        "../../envs/foci3d.yaml"
    params:
        dataset_config=dataset_config,
        code=code_of("import_predictions"),
    script:
        "../scripts/import_predictions.py"


rule make_benchmark:
    """The scores of the benchmark's entries beside those of the present ones."""
    input:
        summaries=entry_summaries(),
        present=workflow.source_path("../../resources/benchmark_scores.csv"),
    output:
        **table_outputs("benchmark"),
    log:
        f"{RESULTS}/logs/make_benchmark.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("make_benchmark"),
    script:
        "../scripts/make_benchmark.py"


rule record_benchmark:
    """The scores of all networks and classical methods on the frozen test datasets."""
    input:
        networks=summaries(NETWORKS, BENCHMARK_DATASETS),
        baselines=summaries(BASELINES, BENCHMARK_DATASETS),
        frozen=workflow.source_path("../../resources/benchmark.yaml"),
        tests=[path for name in BENCHMARK_DATASETS for path in shards(name, "test")],
    output:
        csv=f"{RESULTS}/tables/benchmark_record.csv",
        html=f"{RESULTS}/tables/benchmark_record.html",
        markdown=f"{RESULTS}/tables/benchmark_record.md",
    log:
        f"{RESULTS}/logs/record_benchmark.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("record_benchmark"),
    script:
        "../scripts/record_benchmark.py"
