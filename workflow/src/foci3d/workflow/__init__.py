"""What scripts need of Snakemake: jobs, provenance and the record of a run."""
