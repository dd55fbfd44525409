"""Keep a record of a run: its tables, smaller figures, the commit, the machine, and time and memory by job.

Reads tables (CSV, Markdown), figures (PNG) and Snakemake's benchmarks; writes a folder with `run.md`.
"""

import shutil
from pathlib import Path

from foci3d import job, record


def main(tables: list[str], figures: list[str], benchmarks: str, configuration: str, folder: str) -> None:
    kept = Path(folder)
    (kept / "figures").mkdir(parents=True)
    for table in tables:
        shutil.copy(table, kept)
    for figure in figures:
        record.shrink(figure, kept / "figures" / Path(figure).name)
    costs = record.read_costs(benchmarks)
    costs.to_csv(kept / "costs.csv", index=False, float_format="%.1f")
    facts = {"Commit": record.find_commit(Path.cwd()), "Configuration": configuration, **record.describe_machine()}
    names = [Path(table).name for table in tables] + ["costs.csv"]
    pictures = [f"figures/{Path(figure).name}" for figure in figures]
    (kept / "run.md").write_text(record.page(facts, costs, names, pictures), encoding="utf-8")


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.tables,
            snakemake.input.figures,
            snakemake.params.benchmarks,
            snakemake.params.configuration,
            snakemake.output.folder,
        )
