"""Cost of a large field by tiles: `python tests/performance/field.py` prints one JSON object.

The network is `stack2_physics` of `config/config.yaml` with random weights, as speed does not depend on them; the field
holds random readings. Everything runs in one thread. The times are those of the processor, on which other load counts
little. Pixels are those of the field, not of both sensors.

==========================  ==========================================================================================
seconds_per_megapixel       reconstruction of the larger field, without the average over symmetries, which takes 16
                            times the time of the network
residual_per_megapixel      seconds of it that render the prediction again
mib_per_megapixel           growth of the peak of memory from the smaller field to the larger, over that of the pixels
peak_mib                    peak of memory of the process, with Python, torch and the larger field
==========================  ==========================================================================================
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import yaml
from threadpoolctl import threadpool_limits

from foci3d.confidence.consistency import relative_residual
from foci3d.config.fields import Precision
from foci3d.config.models import Config
from foci3d.learning.model import Model
from foci3d.learning.model_file import Digests, LayerDepth, ModelDescription
from foci3d.learning.tasks import make_task
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF, depth_grid
from foci3d.reconstruction.volume import reconstruct

CONFIG = Config.model_validate(yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text()))
NETWORK = "stack2_physics"
ACCEPTANCE = AngularAcceptance(fwhm_deg=36.0, standoff_um=20.0, linear_fill_factor=1.0)


def make_psf() -> PSF:
    depths_um = depth_grid(CONFIG.psf.depth_range_um, 50.0)
    kernels = acceptance_kernels(ACCEPTANCE, depths_um, CONFIG.imager.n_pixels, CONFIG.imager.pixel_pitch_um)
    return PSF(kernels.float(), depths_um.float(), CONFIG.imager.pixel_pitch_um)


def make_model(psf: PSF) -> Model:
    network, imager = CONFIG.networks[NETWORK], CONFIG.imager
    n_layers = CONFIG.datasets[network.dataset].n_layers
    precision: Precision = "float32"
    description = ModelDescription(
        network=NETWORK,
        dataset=network.dataset,
        task=network.task,
        architecture=network.architecture,
        in_channels=2,
        out_channels=make_task(network.task, n_layers, ()).n_outputs,
        n_pixels=imager.n_pixels,
        n_layers=n_layers,
        n_parameters=0,
        layer_depths_um=(LayerDepth(mean=0.0, sd=1.0),) * n_layers,
        classes_um=(),
        pixel_pitch_um=imager.pixel_pitch_um,
        sensor_separation_um=imager.sensor_separation_um,
        is_sensor_symmetric=False,
        normalization="",
        training=network.training,
        precision=precision,
        best_step=0,
        validation_score=0.0,
        seed=0,
        versions={},
        digests=Digests(code="", data="", psf=psf.digest),
    )
    built = description.build_network().eval()
    built.set_optics(ForwardModel(psf, imager.n_pixels, 2, imager.sensor_separation_um), 1.0)
    return Model(built, description, psf=psf)


def processor_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of a large field by tiles")
    parser.add_argument("--extents", type=int, nargs=2, default=[256, 512], help="pixels in y and in x of two fields")
    small, large = parser.parse_args().extents
    torch.set_num_threads(1)
    threadpool_limits(1)
    psf = make_psf()
    model, rng = make_model(psf), np.random.default_rng(0)
    fields = [rng.uniform(1, 2, (2, extent, extent)).astype(np.float32) for extent in (small, large)]
    reconstruct(fields[0], model)
    before = peak_mib()
    seconds = processor_seconds(lambda: reconstruct(fields[1], model))
    megapixels, growth = large**2 / 1e6, (large**2 - small**2) / 1e6
    forward = ForwardModel(psf, CONFIG.imager.n_pixels, 2, model.sensor_separation_um)
    probability = rng.random((model.description.n_layers, large, large))
    depths_um = np.array([100.0, 350.0, 600.0, 850.0])
    figures = {
        "seconds_per_megapixel": seconds / megapixels,
        "mib_per_megapixel": (peak_mib() - before) / growth,
        "peak_mib": peak_mib(),
        "residual_per_megapixel": processor_seconds(
            lambda: relative_residual(forward, fields[1], probability, depths_um)
        )
        / megapixels,
    }
    print(json.dumps({name: float(f"{value:.3g}") for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
