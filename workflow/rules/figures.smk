# The figures and tables of the core, which `foci3d.workflow.report` lists. Writes {results}/figures and {results}/tables.

from foci3d.workflow.report import FIGURES, TABLES

for figure in FIGURES:
    add_figure(figure)

for table in TABLES:
    add_table(table)
