"""Draw the point-spread function and, where it comes from a scan, what was measured beside the fit.

Reads the PSF (HDF5) and the tables of the calibration (CSV); writes PNG and SVG.
"""

import pandas as pd

from foci3d import job
from foci3d.optics import Psf
from foci3d.plots import calibration, style


def main(psf: Psf, tables: list[str], png: str, svg: str) -> None:
    style.use_style()
    measured = (pd.read_csv(tables[0]), pd.read_csv(tables[1])) if tables else None
    figure = calibration.psf(psf.kernels.numpy(), psf.depths_um.numpy(), psf.pixel_pitch_um, psf.attributes, measured)
    style.save(figure, png, svg)


if __name__ == "__main__":
    with job.running(snakemake):
        tables = [snakemake.input.get(name) for name in ("profiles", "widths")]
        main(
            Psf.load(snakemake.input.psf),
            [table for table in tables if table],
            snakemake.output.fig_psf,
            snakemake.output.fig_psf_svg,
        )
