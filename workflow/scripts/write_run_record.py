"""Record a run: its tables, smaller figures, the commit, the machine, and time and memory by job.

Reads tables (CSV, Markdown), figures (PNG) and Snakemake's benchmarks; writes a folder with `run.md`.
"""

import shutil
from pathlib import Path

from foci3d.workflow import run_record
from foci3d.workflow.job import run_job


def main(
    tables: list[Path], figures: list[Path], benchmarks: Path, configuration: str, seed: int, folder: Path
) -> None:
    (folder / "figures").mkdir(parents=True)
    for table in tables:
        shutil.copy(table, folder)
    for figure in figures:
        run_record.make_thumbnail(figure, folder / "figures" / figure.name)
    costs = run_record.read_costs(benchmarks)
    costs.to_csv(folder / "costs.csv", index=False, float_format="%.1f")
    facts = {
        "Commit": run_record.find_commit(Path.cwd()),
        "Configuration": configuration,
        "Seed": str(seed),
        **run_record.describe_machine(),
    }
    table_names = [*(table.name for table in tables), "costs.csv"]
    figure_names = [f"figures/{figure.name}" for figure in figures]
    (folder / "run.md").write_text(run_record.record_page(facts, costs, table_names, figure_names), encoding="utf-8")


if __name__ == "__main__":
    run_job(main, snakemake)
