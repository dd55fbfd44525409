# What is kept of a run when its data and models are not. Reads tables, figures and benchmarks; writes {results}/record/.


rule make_record:
    """Tables, smaller figures, commit, machine, and time and memory by job; docs/results holds one of the paper's scale."""
    input:
        tables=expand(f"{RESULTS}/tables/{{table}}.{{form}}", table=TABLES, form=["csv", "md"]),
        figures=expand(f"{RESULTS}/figures/{{figure}}.png", figure=FIGURES),
    output:
        folder=directory(f"{RESULTS}/record"),
    log:
        f"{RESULTS}/logs/make_record.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        benchmarks=f"{RESULTS}/benchmarks",
        configuration=digest(config),
        code=code_of("make_record"),
    script:
        "../scripts/make_record.py"
