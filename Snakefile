"""Entry point for `snakemake` in this folder; workflow/Snakefile is the workflow, and what other workflows use as a module."""


include: "workflow/Snakefile"


# An included file does not set the default target of the file that includes it.
workflow.default_target = "all"
