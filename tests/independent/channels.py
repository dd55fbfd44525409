"""Two colours in two channels, on images of another simulator: one row per case.

`PYTHONPATH=workflow/src python tests/independent/channels.py --n 40 --out channels.csv` prints a table with 95 %
bootstrap intervals over scenes and writes it. The imager has a gain of 5 % and a shift of 0.5 pixels between its
sensors, and is aligned once, for both colours, from acquisitions of single cells. Images are OME-TIFF with two
channels, read as `foci3d reconstruct --channels` reads them. Green and red are scenes of their own; in some cases, each
channel also sees some of the light of the other.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import scenes
import tifffile
import torch
from conditions import FIRST_TEST, Condition, align_imager, described_psf, format_table, score, summarize
from imager import PITCH_UM, Imperfections, measure_light, read_out

import foci3d
from foci3d.config.models import ConditioningConfig
from foci3d.config.samples import Acquisition
from foci3d.io.unmixing import unmix
from foci3d.reconstruction.acquisition import reconstruct_acquisition

COLOURS = ("green", "red")
FLAWS = Imperfections(gain_b=1.05, shift_b_px=(0.4, -0.3))
CROSSTALK = np.array([[1.0, 0.1], [0.3, 1.0]])
"""Light of each fluorophore (column) in each channel."""


def record(folder: Path, seed: int, matrix: np.ndarray) -> tuple[list[Acquisition], list[scenes.Scene]]:
    """Write the images of both sensors, each in two channels; the rows of the table of samples, and the scenes."""
    rng = np.random.default_rng(seed)
    drawn = [scenes.make_scene(scenes.blobs, 2 * seed + colour) for colour in range(len(COLOURS))]
    light = np.stack([measure_light(scene.layers, scene.depths_um, FLAWS) for scene in drawn])
    mixed = np.tensordot(matrix, light / light.mean((1, 2, 3), keepdims=True), 1)
    readings = np.stack([read_out(channel, FLAWS, rng) * channel.max() for channel in mixed]).astype(np.float32)
    paths = [folder / f"{name}.ome.tif" for name in "ab"]
    for path, images in zip(paths, readings.swapaxes(0, 1), strict=True):
        tifffile.imwrite(path, images, metadata={"axes": "CYX", "Channel": {"Name": list(COLOURS)}})
    files = {"sensor_a": str(paths[0]), "sensor_b": str(paths[1])}
    return [Acquisition(sample="x", pixel_pitch_um=PITCH_UM, channel=each, **files) for each in COLOURS], drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=40, help="scenes of each case, with two colours each")
    parser.add_argument("--first", type=int, default=FIRST_TEST, help="seed of the first scene")
    parser.add_argument("--out", type=Path, help="CSV file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    psf, name = described_psf(), foci3d.released_model("two_sensors")
    imager = align_imager("aligned by cells", Condition(flaws=FLAWS), 0, foci3d.load_model(name, psf=psf, device="cpu"))
    print(imager, flush=True)
    model = foci3d.load_model(
        name, psf=imager.scale_psf(psf), device="cpu", sensor_separation_um=imager.sensor_separation_um
    )
    cases = {
        "no crosstalk": (np.eye(2), None),
        "crosstalk": (CROSSTALK, None),
        "crosstalk, unmixed": (CROSSTALK, pd.DataFrame(CROSSTALK, COLOURS, COLOURS)),
    }
    tables = []
    for case, (matrix, known) in cases.items():
        scores = []
        for seed in range(arguments.first, arguments.first + arguments.n):
            with tempfile.TemporaryDirectory() as folder:
                rows, drawn = record(Path(folder), seed, matrix)
                seen = {row.name: row for row in rows}
                if known is not None:
                    known.to_csv(Path(folder, "matrix.csv"), index_label="channel")
                    seen = unmix(rows, Path(folder, "matrix.csv"))
                for colour, scene in zip(COLOURS, drawn, strict=True):
                    result = reconstruct_acquisition(
                        seen[f"x/{colour}"], model, imager=imager, conditioning=ConditioningConfig()
                    )
                    scores.append(score(result.frames[0], scene))
        tables.append(summarize(case, pd.DataFrame(scores)))
        print(format_table(tables[-1]), flush=True)
        if arguments.out:
            pd.concat(tables, ignore_index=True).to_csv(arguments.out, index=False, float_format="%.3f")


if __name__ == "__main__":
    main()
