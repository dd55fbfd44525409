#!/usr/bin/env bash
# Snakemake runs this in the new environment, from the folder of the project: scripts import foci3d.
set -euo pipefail
pip install --no-deps --no-build-isolation --editable .
