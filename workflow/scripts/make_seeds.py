"""Make the table of networks trained with several seeds.

Reads the summaries of their tests (CSV); writes CSV, HTML and Markdown.
"""

from foci3d import job, tables


def main(summaries: list[str], root_seed: int, csv: str, html: str, markdown: str) -> None:
    table = tables.seed_errors(tables.read_summaries(summaries), root_seed)
    tables.save(table, tables.seeds_page(table), csv, html, markdown)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.summaries,
            snakemake.params.root_seed,
            snakemake.output.csv,
            snakemake.output.html,
            snakemake.output.markdown,
        )
