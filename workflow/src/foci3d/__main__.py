"""``python -m foci3d`` is the command line `foci3d`."""

import sys

from foci3d.cli import main

if __name__ == "__main__":
    sys.exit(main())
