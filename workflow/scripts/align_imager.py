"""Find the deviations of the imager from its description, from acquisitions of its own.

Reads the images that the table of samples names (y, x), a model (JSON) and the point-spread function (HDF5). Writes
offsets [unit of the images], gain, shift [pixels], rotation [degrees] and separation of the sensors [um] or width of
the point-spread function, with standard errors, as YAML.
"""

from pathlib import Path
from typing import Literal

from foci3d.config.samples import Acquisition
from foci3d.learning.model import load_model
from foci3d.reconstruction.alignment import Fit, align
from foci3d.workflow.job import run_job


def main(
    model: Path,
    psf: Path,
    acquisitions: list[Acquisition],
    specimen: Literal["layers", "cells"],
    fit: Fit | None,
    sensor_separation_um: float,
    device: str,
    imager: Path,
) -> None:
    trained = load_model(model, psf=psf, device=device, recalibration=None, sensor_separation_um=sensor_separation_um)
    align(acquisitions, trained, specimen=specimen, fit=fit).save(imager)


if __name__ == "__main__":
    run_job(main)
