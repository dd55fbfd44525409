# The record of a run, for when its data and models are deleted. Reads tables, figures and benchmarks; writes
# {results}/run_record/.


rule write_run_record:
    """Tables, smaller figures, commit, machine, and time and memory by job; docs/results holds one of the paper's scale."""
    input:
        tables=expand(f"{RESULTS}/tables/{{table}}.{{form}}", table=TABLES, form=["csv", "md"]),
        figures=expand(f"{RESULTS}/figures/{{figure}}.png", figure=FIGURES),
    output:
        folder=directory(f"{RESULTS}/run_record"),
    log:
        f"{RESULTS}/logs/write_run_record.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        benchmarks=f"{RESULTS}/benchmarks",
        configuration=digest(config),
        seed=config["seed"],
        code=code_of("write_run_record"),
    script:
        "../scripts/write_run_record.py"
