"""Make Table S1: the error rate of each layer with one sensor, with two, and with the ResNet.

Reads the summaries of these tests (CSV); writes CSV, HTML and Markdown.
"""

from foci3d import job, tables


def main(one_sensor: str, two_sensors: list[str], csv: str, html: str, markdown: str) -> None:
    reference = tables.read_summaries([one_sensor])
    table = tables.table_s1(reference, tables.read_summaries(two_sensors))
    tables.save(table, tables.table_s1_page(table), csv, html, markdown)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.one_sensor,
            snakemake.input.two_sensors,
            snakemake.output.csv,
            snakemake.output.html,
            snakemake.output.markdown,
        )
