"""Compute what the optics alone allow, for the figures to draw beside what the networks reach.

Reads the PSF and validation shards of a one-layer set and of a stack set; writes the Cramer-Rao bound of depth by depth
[um] and, for each layer of the stack, the share that a linear method recovers.
"""

import numpy as np
import pandas as pd
import torch

from foci3d import job, limits, shards
from foci3d.optics import Psf
from foci3d.store import replacing


def main(
    psf: Psf,
    depth_set: list[str],
    stack_set: list[str],
    class_width_um: float,
    separation_um: float,
    power_snr: float,
    depth_csv: str,
    layers_csv: str,
) -> None:
    """Write both tables."""
    data = shards.read_shards(depth_set, ["layers", "depths_um"])
    depths_um = torch.from_numpy(np.unique(data["depths_um"]))
    power = limits.mean_power(torch.from_numpy(data["layers"][:, 0]))
    deviation_um = limits.depth_deviation_um(psf, depths_um, power, power_snr, class_width_um / 10)
    table = {
        "depth_um": depths_um,
        "deviation_um": deviation_um,
        "class_accuracy": limits.class_accuracy(deviation_um, class_width_um),
    }
    with replacing(depth_csv) as path:
        pd.DataFrame(table).to_csv(path, index=False)

    data = shards.read_shards(stack_set, ["layers", "depths_um", "sensors"])
    z_um = torch.from_numpy(data["depths_um"][:200])
    distances_um = torch.stack([z_um, separation_um - z_um][: data["sensors"].shape[1]], 1)
    power = limits.mean_power(torch.from_numpy(data["layers"]).flatten(0, 1))
    shares = limits.layer_shares(psf, distances_um, power, power_snr)
    with replacing(layers_csv) as path:
        pd.DataFrame({"layer": range(1, len(shares) + 1), "linear_share": shares}).to_csv(path, index=False)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            Psf.load(snakemake.input.psf),
            snakemake.input.depth_set,
            snakemake.input.stack_set,
            snakemake.params.class_width_um,
            snakemake.params.sensor_separation_um,
            snakemake.params.power_snr,
            snakemake.output.depth,
            snakemake.output.layers,
        )
