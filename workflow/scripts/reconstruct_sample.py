"""Reconstruct one acquisition in 3D with a trained network.

Reads the images that a row of the table of samples names (y, x) and a model; writes the probability of a cell as
OME-TIFF (layer, y, x), the foci as CSV [um], an overview as PNG and an interactive 3-D view as HTML.
"""

from pathlib import Path

from foci3d.config.samples import Acquisition
from foci3d.errors import InputError
from foci3d.io.hdf5 import atomic_path
from foci3d.io.images import read_acquisition, write_volume
from foci3d.learning.inference import load_model
from foci3d.optics.psf import PSF
from foci3d.plots import style, view3d
from foci3d.plots.reconstruction import overview as draw_overview
from foci3d.reconstruction.volume import reconstruct
from foci3d.workflow.job import run_job


def main(
    model: Path,
    weights: Path,
    psf: Path,
    acquisition: Acquisition,
    pixel_pitch_um: float,
    threshold: float,
    device: str,
    average_symmetries: bool,
    probability: Path,
    foci: Path,
    overview: Path,
    view: Path,
) -> None:
    trained = load_model(model, weights, PSF.load(psf))
    frames = read_acquisition(acquisition, trained.description.n_pixels).values
    if len(frames) > 1:
        raise InputError(f"{acquisition.sensor_a}: found {len(frames)} frames; expected one. Split the series.")
    measurement = frames[0]
    result = reconstruct(
        measurement,
        trained,
        threshold=threshold,
        pixel_pitch_um=pixel_pitch_um,
        device=device,
        average_symmetries=average_symmetries,
    )

    write_volume(probability, result.probability, result.depths_um, pixel_pitch_um)
    with atomic_path(foci) as path:
        result.foci.to_csv(path, index=False)

    style.use_style()
    geometry = (result.depths_um, pixel_pitch_um, result.sensor_depths_um, threshold)
    with atomic_path(overview) as path:
        figure = draw_overview(measurement, result.probability, *geometry)
        figure.savefig(path, metadata={"Software": None})
    with atomic_path(view) as path:
        path.write_text(view3d.view_html(result.probability, *geometry))


if __name__ == "__main__":
    run_job(main, snakemake)
