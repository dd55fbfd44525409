"""The command line `foci3d`: reconstruct images, calibrate an imager, follow foci, inspect files, check configurations.

Each command is a function; cyclopts makes its options from the parameters and its help from the docstring. The workflow
itself is run by Snakemake. Commands import what they need when they run, so that ``--help`` is fast.
"""

from foci3d.cli import files as files
from foci3d.cli import imager as imager
from foci3d.cli import images as images
from foci3d.cli.app import app as app
from foci3d.cli.app import main as main
