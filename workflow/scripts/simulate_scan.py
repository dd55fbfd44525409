"""Simulate a pinhole scan of known optics, in the files of a measured one.

Writes raw readings as a TIFF stack (depth, y, x) and the depth of each frame [um] as a CSV file, column depth_um.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from foci3d.calibration import bead_scan
from foci3d.config.imager import ScanSimulationConfig
from foci3d.io.atomic import atomic_path
from foci3d.optics.acceptance import AngularAcceptance
from foci3d.workflow.job import run_job


def main(
    simulation: ScanSimulationConfig,
    optics: AngularAcceptance,
    pixel_pitch_um: float,
    saturation: float,
    seed: int,
    stack: Path,
    depths: Path,
) -> None:
    rng = np.random.default_rng([seed, *b"simulate_scan"])
    frames = bead_scan.simulate_scan(optics, simulation, pixel_pitch_um, saturation, rng)
    with atomic_path(stack) as path:
        tifffile.imwrite(path, frames, photometric="minisblack", metadata={"axes": "ZYX"})
    with atomic_path(depths) as path:
        pd.DataFrame({"depth_um": simulation.depths_um}).to_csv(path, index=False)


if __name__ == "__main__":
    run_job(main)
