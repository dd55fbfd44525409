# The trainings of variants of a network, side by side. Reads models and their curves;
# writes {results}/tables/ablation.* and {results}/figures/fig_ablation.*.


rule make_ablation:
    """The networks of `ablation`: what differs between them, size, training time and lowest validation error."""
    input:
        models=expand(f"{RESULTS}/models/{{network}}.json", network=CONFIG.ablation),
        curves=expand(f"{RESULTS}/models/{{network}}.csv", network=CONFIG.ablation),
    output:
        **table_outputs("ablation"),
    log:
        f"{RESULTS}/logs/make_ablation.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("make_ablation"),
    script:
        "../scripts/make_ablation.py"


rule fig_ablation:
    """Validation error of the networks of `ablation` against the training time."""
    input:
        curves=expand(f"{RESULTS}/models/{{network}}.csv", network=CONFIG.ablation),
    output:
        figure=figure_output("fig_ablation", "Training"),
    log:
        f"{RESULTS}/logs/fig_ablation.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("fig_ablation"),
    script:
        "../scripts/fig_ablation.py"
