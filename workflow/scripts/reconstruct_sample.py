"""Reconstruct one acquisition in 3D with a trained network.

Reads the sensors' pictures (y, x) and a model; writes the probability of a cell as OME-TIFF (layer, y, x), the foci as
CSV [um], an overview as PNG and a page with the layers in space.
"""

from collections.abc import Sequence

import numpy as np

from foci3d import compute, job, predict
from foci3d.foci import find_foci
from foci3d.models import Model, load_model
from foci3d.pictures import read_picture, write_volume
from foci3d.plots import reconstruction, style, view3d
from foci3d.store import replacing


def main(
    picture_files: Sequence[str],
    model: Model,
    device: str,
    pixel_pitch_um: float,
    separation_um: float,
    threshold: float,
    probability_file: str,
    foci_file: str,
    overview_file: str,
    view_file: str,
) -> None:
    """Write volume, table, overview and page."""
    pictures = np.stack([read_picture(path, model.pixels) for path in picture_files])
    probability = predict.apply(model, pictures[None], compute.find_device(device))[0]
    depths_um = [layer["mean"] for layer in model.layer_depths_um]
    sds_um = [layer["sd"] for layer in model.layer_depths_um]

    write_volume(probability_file, probability, depths_um, pixel_pitch_um)
    with replacing(foci_file) as path:
        find_foci(probability, threshold, depths_um, sds_um, pixel_pitch_um).to_csv(path, index=False)

    style.use_style()
    space = (depths_um, pixel_pitch_um, [0.0, separation_um][: len(pictures)], threshold)
    with replacing(overview_file) as path:
        reconstruction.overview(pictures, probability, *space).savefig(path, metadata={"Software": None})
    with replacing(view_file) as path:
        path.write_text(view3d.view_html(probability, *space))


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.pictures,
            load_model(snakemake.input.model, snakemake.input.weights),
            snakemake.params.compute["device"],
            snakemake.params.pixel_pitch_um,
            snakemake.params.sensor_separation_um,
            snakemake.params.threshold,
            snakemake.output.probability,
            snakemake.output.foci,
            snakemake.output.overview,
            snakemake.output.view,
        )
