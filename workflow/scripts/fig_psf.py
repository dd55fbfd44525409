"""Draw the point-spread function and, if it comes from a scan, the measurements of the scan with their fit.

Reads the PSF (HDF5) and the tables of the calibration (CSV).
"""

from pathlib import Path

import pandas as pd

from foci3d.optics.psf import PSF
from foci3d.plots import calibration, style
from foci3d.workflow.job import run_job


def main(psf: Path, figure: list[Path], profiles: Path | None = None, widths: Path | None = None) -> None:
    style.use_style()
    scan = (pd.read_csv(profiles), pd.read_csv(widths)) if profiles and widths else None
    style.save(calibration.show_psf(PSF.load(psf), scan), *figure)


if __name__ == "__main__":
    run_job(main)
