"""What Snakefiles and scripts need: the files of a run, its figures and tables, jobs and provenance."""
