#!/bin/sh
# Cancel the jobs of SLURM that outlive a killed run of the project in this folder, and wait until they have ended: the next
# run would submit the same jobs once more, and both would write the same files.
set -eu

[ -d .snakemake/slurm_logs ] || exit 0 # no run of this project used SLURM

list_jobs() {
  queue=$(squeue --me --noheader --format='%A %j %Z') || return
  echo "$queue" | while read -r number name folder; do
    case $name in foci3d_*) [ "$folder" != "$(pwd -P)" ] || echo "$number" ;; esac
  done
}

jobs=$(list_jobs)
while [ -n "$jobs" ]; do
  echo "cancelling jobs of SLURM:" $jobs
  scancel $jobs
  sleep 2
  jobs=$(list_jobs)
done
