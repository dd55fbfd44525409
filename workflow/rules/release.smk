# Models to be released. Reads models, the scores of their tests and validation shards; writes
# {results}/release/{network}.*.


rule release_model:
    """Pack a trained network with weights in half precision and its model card."""
    input:
        model=f"{RESULTS}/models/{{network}}.json",
        weights=f"{RESULTS}/models/{{network}}.safetensors",
        curves=f"{RESULTS}/models/{{network}}.csv",
        summaries=lambda wildcards: summaries({wildcards.network: NETWORKS[wildcards.network]}),
    output:
        released_model=f"{RESULTS}/release/{{network}}.json",
        released_weights=f"{RESULTS}/release/{{network}}.safetensors",
        released_curves=f"{RESULTS}/release/{{network}}.csv",
        card=f"{RESULTS}/release/{{network}}.md",
    log:
        f"{RESULTS}/logs/release_model/{{network}}.log",
    wildcard_constraints:
        network=wildcard_regex(NETWORKS),
    conda:
        "../../envs/foci3d.yaml"
    params:
        command=f"snakemake --configfile {' '.join(map(os.path.relpath, workflow.overwrite_configfiles))} -- release",
        code=code_of("release_model"),
    script:
        "../scripts/release_model.py"


use rule recalibrate_network as recalibrate_release with:
    input:
        weights=f"{RESULTS}/release/{{network}}.safetensors",
        model=f"{RESULTS}/release/{{network}}.json",
        psf=PSF,
        validation=training_shards("validation"),
    output:
        recalibration=f"{RESULTS}/release/{{network}}.recalibration.json",
    log:
        f"{RESULTS}/logs/recalibrate_release/{{network}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/recalibrate_release/{{network}}.tsv"
    wildcard_constraints:
        network=wildcard_regex(NETWORKS),
