"""Set networks beside classical methods on the same tests.

Reads the summaries of both (CSV); writes CSV, HTML and Markdown.
"""

from foci3d import job, tables


def main(networks: list[str], baselines: list[str], csv: str, html: str, markdown: str) -> None:
    table = tables.compare(tables.read_summaries(networks), tables.read_summaries(baselines))
    tables.save(table, tables.comparison_page(table), csv, html, markdown)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.networks,
            snakemake.input.baselines,
            snakemake.output.csv,
            snakemake.output.html,
            snakemake.output.markdown,
        )
