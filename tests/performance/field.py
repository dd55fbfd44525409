"""Cost of a large field by tiles: `python tests/performance/field.py` prints one JSON object.

A released network reconstructs fields of random light, in one thread, without the average over symmetries, which takes
8 or 16 times the time of the network. Its recalibration is used all the same, because it takes time, too. The times are
those of the processor, on which other load counts little. Pixels are those of the field, not of both sensors.

==========================  ==========================================================================================
seconds_per_megapixel       reconstruction of the larger field
mib_per_megapixel           growth of the peak of memory from the smaller field to the larger, over that of the pixels
peak_mib                    peak of memory of the process, with Python, torch and the larger field
==========================  ==========================================================================================

`PYTHONPATH=CHECKOUT/workflow/src` measures another checkout of foci3d, to compare with.
"""

import argparse
import json
import resource
import time
from dataclasses import replace

import numpy as np
import torch
from scipy import ndimage
from threadpoolctl import threadpool_limits

import foci3d
from foci3d.reconstruction.demo import Demo


def make_model(name: str, precision: str) -> foci3d.Model:
    psf = Demo.load().psf
    model = foci3d.load_model(foci3d.released_model(name), psf=psf, device="cpu", precision=precision)
    assert model.recalibration is not None
    fitted = model.recalibration.model_copy(update={"average_symmetries": False})
    return replace(model, average_symmetries=False, recalibration=fitted)


def make_field(rng: np.random.Generator, extent: int) -> np.ndarray:
    light = ndimage.gaussian_filter(rng.uniform(0, 1, (2, extent, extent)).astype(np.float32), (0, 2, 2))
    return light - light.min() + 0.05


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of a large field by tiles")
    parser.add_argument("--extents", type=int, nargs=2, default=[256, 1024], help="pixels in y and in x of two fields")
    parser.add_argument("--model", default="any_layers", help="released network")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    arguments = parser.parse_args()
    small, large = arguments.extents
    torch.set_num_threads(1)
    threadpool_limits(1)
    model, rng = make_model(arguments.model, arguments.precision), np.random.default_rng(0)
    fields = [make_field(rng, extent) for extent in (small, large)]
    foci3d.reconstruct(fields[0], model)
    before, start = peak_mib(), time.process_time()
    foci3d.reconstruct(fields[1], model)
    figures = {
        "seconds_per_megapixel": (time.process_time() - start) / large**2 * 1e6,
        "mib_per_megapixel": (peak_mib() - before) / (large**2 - small**2) * 1e6,
        "peak_mib": peak_mib(),
    }
    print(json.dumps({name: float(f"{value:.3g}") for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
