"""Simulate a pinhole scan with known optics, as a user would measure it.

Writes raw 12-bit readings as a TIFF stack (depth, y, x) and the depth of each frame [um] as a CSV, column depth_um.
"""

from typing import Any

import numpy as np
import pandas as pd
import tifffile

from foci3d import job, scan
from foci3d.optics import Acceptance
from foci3d.store import replacing


def main(
    acceptance: Acceptance,
    simulation: dict[str, Any],
    pixel_pitch_um: float,
    saturation: int,
    seed: int,
    stack: str,
    depths: str,
) -> None:
    rng = np.random.default_rng([seed, *b"simulate_scan"])
    frames = scan.simulate_scan(acceptance, pixel_pitch_um=pixel_pitch_um, saturation=saturation, rng=rng, **simulation)
    with replacing(stack) as path:
        tifffile.imwrite(path, frames, photometric="minisblack", metadata={"axes": "ZYX"})
    with replacing(depths) as path:
        pd.DataFrame({"depth_um": simulation["depths_um"]}).to_csv(path, index=False)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            Acceptance(**snakemake.params.optics),
            snakemake.params.simulation,
            snakemake.params.pixel_pitch_um,
            snakemake.params.saturation,
            snakemake.params.seed,
            snakemake.output.stack,
            snakemake.output.depths,
        )
