"""Apply a classical method to the test split of a set, with what it leaves open chosen on the validation split.

Reads the point-spread function and shards (HDF5); writes predictions (sample, layer, y, x) to HDF5 as `predict` does.
"""

from typing import Any

from foci3d import classical, job, shards
from foci3d.optics import Psf
from foci3d.predictions import COPIES, Predictions

# Enough to choose among a few candidates, as each sample has thousands of pixels.
VALIDATION_SAMPLES = 200
TRUTH = {"image": "layers", "masks": "masks"}


def main(
    psf_path: str,
    validation: list[str],
    test: list[str],
    path: str,
    net: str,
    set_name: str,
    entry: dict[str, Any],
    separation_um: float,
) -> None:
    psf, truth = Psf.load(psf_path), TRUTH[entry["task"]]
    known = shards.read_shards(validation, ["sensors", "depths_um", truth])
    known = {name: values[:VALIDATION_SAMPLES] for name, values in known.items()}
    method = classical.choose(
        classical.Stacks(psf, separation_um, known["sensors"], known["depths_um"]),
        known[truth],
        entry["task"],
        entry["method"],
        entry["parameters"],
        entry["smoothing_px"],
    )
    arrays = shards.read_shards(test)
    results = {
        "output": method(classical.Stacks(psf, separation_um, arrays["sensors"], arrays["depths_um"])),
        "target": arrays[truth],
        **{name: values for name, values in arrays.items() if name in COPIES},
    }
    chosen = {"method": method.method, "smoothing_px": method.smoothing_px, **method.parameters, "psf": psf.digest}
    Predictions(net, set_name, entry["task"], results, chosen).save(path)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.psf,
            list(snakemake.input.validation),
            list(snakemake.input.test),
            snakemake.output.predictions,
            snakemake.wildcards.net,
            snakemake.wildcards.set,
            snakemake.params.entry,
            snakemake.params.sensor_separation_um,
        )
