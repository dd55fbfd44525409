# Models to be released. Reads models and the scores of their tests; writes {results}/release/{network}.*.


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
        command=f"snakemake --configfile {' '.join(map(str, workflow.overwrite_configfiles))} -- release",
        code=code_of("release_model"),
    script:
        "../scripts/release_model.py"
