"""Record a run for when its data and models are deleted: tables, smaller figures, machine, time and memory by job.

Reads tables (CSV, Markdown), figures (PNG) and the benchmarks that Snakemake writes; writes a folder with `run.md`.
"""

import os
import platform
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
from PIL import Image

from foci3d.io.atomic import atomic_path
from foci3d.workflow.job import run_job
from foci3d.workflow.provenance import find_commit, package_versions

FIGURE_WIDTH_PX = 1100


def describe_machine() -> dict[str, str]:
    """Processor, cores, memory, system and versions, by name."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "Processor": _processor(),
        "Cores": str(os.cpu_count()),
        "Memory": f"{memory_gib:.0f} GiB",
        "System": platform.system(),
        "Versions": package_versions(),
    }


def _processor() -> str:
    """Name of the processor and, where the system lists them, its instructions for reduced precision."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    extensions = [name for name in ("avx512_bf16", "amx_bf16") if name in fields.get("flags", "").split()]
    return " ".join([fields.get("model name", platform.machine()), *extensions])


def read_costs(benchmarks: str | Path) -> pd.DataFrame:
    """Time and memory of each job, from Snakemake's benchmarks `rule.tsv` and `rule/job.tsv` in a folder.

    Returns
    -------
    DataFrame
        Columns rule, job (empty for a rule of one job), seconds, peak_mb (physical memory).
    """
    rows = []
    for path in sorted(Path(benchmarks).rglob("*.tsv")):
        rule, _, job = str(path.relative_to(benchmarks).with_suffix("")).partition(os.sep)
        measured = pd.read_csv(path, sep="\t").iloc[0]
        rows.append({"rule": rule, "job": job, "seconds": measured["s"], "peak_mb": measured["max_rss"]})
    return pd.DataFrame(rows, columns=["rule", "job", "seconds", "peak_mb"])


def sum_costs(costs: pd.DataFrame) -> pd.DataFrame:
    """Costs by rule and in total: columns Rule, Jobs, Total time [s], Longest job [s], Peak memory [MB]."""
    by_rule = costs.groupby("rule")["seconds"].agg(["size", "sum", "max"]).join(costs.groupby("rule")["peak_mb"].max())
    by_rule.loc["total"] = [len(costs), costs["seconds"].sum(), costs["seconds"].max(), costs["peak_mb"].max()]
    by_rule = by_rule.round().astype("Int64").reset_index()
    by_rule.columns = pd.Index(["Rule", "Jobs", "Total time [s]", "Longest job [s]", "Peak memory [MB]"])
    return by_rule


def make_thumbnail(figure: str | Path, thumbnail: str | Path) -> None:
    """Write an image again with at most FIGURE_WIDTH_PX pixels in x."""
    with Image.open(figure) as full, atomic_path(thumbnail) as path:
        image = full.convert("RGB")
        image.thumbnail((FIGURE_WIDTH_PX, FIGURE_WIDTH_PX * image.height), Image.Resampling.LANCZOS)
        image.save(path, "PNG", optimize=True)


def record_page(facts: Mapping[str, str], costs: pd.DataFrame, tables: Iterable[str], figures: Iterable[str]) -> str:
    """The record as Markdown: facts, costs by rule, links to the tables, and the figures."""
    by_rule = sum_costs(costs).astype(object)
    fact_table = pd.DataFrame(facts.items(), columns=["", "This run"]).to_markdown(index=False, disable_numparse=True)
    parts = ["# Record of a run", fact_table]
    parts += ["## Time and memory", by_rule.to_markdown(index=False)]
    parts += ["## Tables", "\n".join(f"- [{name}]({name})" for name in tables)]
    parts += ["## Figures", *(f"![{Path(name).stem}]({name})" for name in figures)]
    return "\n\n".join(parts) + "\n"


def main(
    tables: list[Path], figures: list[Path], benchmarks: Path, configuration: str, seed: int, folder: Path
) -> None:
    (folder / "figures").mkdir(parents=True)
    for table in tables:
        shutil.copy(table, folder)
    for figure in figures:
        make_thumbnail(figure, folder / "figures" / figure.name)
    costs = read_costs(benchmarks)
    costs.to_csv(folder / "costs.csv", index=False, float_format="%.1f")
    facts = {"Commit": find_commit(Path.cwd()), "Configuration": configuration, "Seed": str(seed), **describe_machine()}
    table_names = [*(table.name for table in tables), "costs.csv"]
    figure_names = [f"figures/{figure.name}" for figure in figures]
    (folder / "run.md").write_text(record_page(facts, costs, table_names, figure_names), encoding="utf-8")


if __name__ == "__main__":
    run_job(main)
