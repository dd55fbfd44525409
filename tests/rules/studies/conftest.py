"""Makes the modules of the studies importable, as each is to the scripts beside it."""

import sys
from pathlib import Path

STUDIES = Path(__file__).parents[3] / "workflow" / "studies"
sys.path.extend(str(folder) for folder in STUDIES.iterdir() if folder.is_dir())
