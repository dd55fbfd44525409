"""Speed of the synthesis: `python tests/performance/synthesis.py` prints one JSON object.

Every ratio compares alternatives in this run, one process and one thread each, by the processor time of their fastest
repetition; only `two_processes` is measured by the clock, and needs two idle cores.

==========================  ========  ================================================================================
samples_per_s                         complete samples of dataset stack2: four layers, two sensors
samples_vs_obvious          >= 20     the same against `noise.pnoise2` for each pixel and `fftconvolve` for each layer
wide_vs_paper                         samples a second of appearance `wide` over those of appearance `paper`
products_vs_torch                     `linalg.batched_matmul` against `torch.matmul`, for matrices of the forward model
perlin_vs_noise             >= 20     Perlin noise of four octaves against nested loops over `noise.pnoise2`
perlin_vs_vnoise            >= 15     the same against package `vnoise`
perlin_max_deviation        < 1e-4    largest difference from `noise.pnoise2` on its own lattice
write_share                 < 0.2     time to write shards over time to render them
two_processes               >= 1.8    samples a second of two processes over that of one
==========================  ========  ================================================================================
"""

import json
import multiprocessing
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import noise
import numpy as np
import torch
import yaml
from scipy.signal import fftconvolve
from threadpoolctl import threadpool_limits

from foci3d.config.datasets import SceneConfig
from foci3d.config.models import Config
from foci3d.io import shards
from foci3d.io.samples import NumpySamples
from foci3d.optics import linalg
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.psf import PSF
from foci3d.simulation import dataset, perlin
from foci3d.simulation.imager import Imager

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # vnoise imports pkg_resources
    import vnoise

CONFIG = Config(**yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text()))
SCENE, DATASET, IMAGER = CONFIG.appearances["paper"], CONFIG.datasets["stack2"], CONFIG.imager
PIXELS, SEPARATION_UM, OCTAVES, STEP_UM = IMAGER.n_pixels, IMAGER.sensor_separation_um, SCENE.octaves, 10
PERSISTENCE = torch.tensor(SCENE.persistence[:1])


def seconds(work: Callable[[], object], repetitions: int = 7) -> float:
    """Processor time of the fastest repetition."""
    spent = []
    for _ in range(repetitions):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def make_psf() -> PSF:
    depths_um = torch.arange(0, 2001, STEP_UM)
    acceptance = AngularAcceptance(**CONFIG.psf.optics.model_dump())
    kernels = acceptance_kernels(acceptance, depths_um, PIXELS, IMAGER.pixel_pitch_um)
    return PSF(kernels.float(), depths_um.float(), IMAGER.pixel_pitch_um)


def make_imager(psf: PSF) -> Imager:
    return Imager.from_config(psf, IMAGER, DATASET.n_sensors)


def blocks(samples: int, imager: Imager, seed: int = 1, scene: SceneConfig = SCENE) -> Iterator[NumpySamples]:
    split = dataset.Split(seed, "stack2", "test", DATASET)
    return dataset.generate_samples(split, range(samples), [scene], imager)


def generate_samples(samples: int, imager: Imager, seed: int = 1, scene: SceneConfig = SCENE) -> None:
    for _ in blocks(samples, imager, seed, scene):
        pass


def obvious_noise(cells: float, x0: float, y0: float) -> np.ndarray:
    image = np.empty((PIXELS, PIXELS))
    for row in range(PIXELS):
        for column in range(PIXELS):
            x, y = x0 + cells * column / PIXELS, y0 + cells * row / PIXELS
            image[row, column] = noise.pnoise2(x, y, octaves=OCTAVES)
    return image


def obvious_sample(rng: np.random.Generator, kernels: np.ndarray) -> tuple[np.ndarray, ...]:
    """What a careful first version does."""
    depths_um = np.sort(rng.uniform(0, 400, 4)) + 200 * np.arange(4)
    layers, masks = np.empty((2, 4, PIXELS, PIXELS))
    for layer in range(4):
        field = (obvious_noise(rng.uniform(*SCENE.lattice_cells), *rng.uniform(0, 200, 2)) + 1) / 2
        masks[layer] = field > rng.uniform(*SCENE.threshold)
        gain, ratio = rng.uniform(*SCENE.gain), rng.uniform(*SCENE.tumour_to_background)
        variations = rng.uniform(*SCENE.intensity_cv), rng.uniform(*SCENE.background_cv)
        cell, background = np.sqrt(np.log1p(np.square(variations)))
        layers[layer] = np.where(
            masks[layer],
            rng.lognormal(np.log(gain) - cell**2 / 2, cell, (PIXELS, PIXELS)),
            rng.lognormal(np.log(gain / ratio) - background**2 / 2, background, (PIXELS, PIXELS)),
        )
    sensors = [
        sum(
            fftconvolve(layer, kernels[round(distance_um / STEP_UM)], mode="same")
            for layer, distance_um in zip(layers, distances_um, strict=True)
        )
        for distances_um in (depths_um, SEPARATION_UM - depths_um)
    ]
    return layers, masks, np.stack(sensors), depths_um


def measure_samples(psf: PSF, imager: Imager) -> dict[str, float]:
    rng, kernels = np.random.default_rng(0), psf.kernels.numpy()
    # Repetitions of both take about as long and follow in turn, so that a busy neighbour slows both alike.
    samples, few = 5 * dataset.BLOCK_SIZE, 8
    turns = [
        (
            seconds(lambda: generate_samples(samples, imager), 1),
            seconds(lambda: [obvious_sample(rng, kernels) for _ in range(few)], 1),
        )
        for _ in range(40)
    ]
    ours, obvious = (min(spent) for spent in zip(*turns, strict=True))
    return {"samples_per_s": samples / ours, "samples_vs_obvious": (obvious / few) / (ours / samples)}


def measure_appearances(imager: Imager) -> dict[str, float]:
    scenes = (SCENE, CONFIG.appearances["wide"])
    turns = [[seconds(lambda: generate_samples(160, imager, scene=scene), 1) for scene in scenes] for _ in range(20)]  # noqa: B023
    paper, wide = (min(spent) for spent in zip(*turns, strict=True))
    return {"wide_vs_paper": paper / wide}


def measure_products() -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    layers = torch.randn(DATASET.n_layers * dataset.BLOCK_SIZE, PIXELS, PIXELS, generator=generator)
    bands = torch.randn(len(layers), PIXELS, 3 * PIXELS, generator=generator)
    theirs, ours = seconds(lambda: layers @ bands, 200), seconds(lambda: linalg.batched_matmul(layers, bands), 200)
    return {"products_vs_torch": theirs / ours}


def draw_noise(images: int, generator: torch.Generator) -> torch.Tensor:
    """Noise of fresh random lattices, as `scene` draws it."""
    sizes = perlin.lattice_sizes(SCENE.lattice_cells[1], OCTAVES)
    gradients = []
    for size in sizes:
        chosen = torch.randint(len(perlin.GRADIENTS), (images * size**2,), generator=generator, dtype=torch.int32)
        components = [part.index_select(0, chosen).view(images, size, size) for part in perlin.GRADIENTS.T]
        gradients.append(torch.stack(components, 1))
    low, high = SCENE.lattice_cells
    cells = low + (high - low) * torch.rand(images, generator=generator)
    return perlin.perlin_noise(
        gradients, cells, torch.rand(images, 2, generator=generator), PIXELS, PERSISTENCE.expand(images)
    )


def measure_perlin() -> dict[str, float]:
    generator, rng, other = torch.Generator().manual_seed(0), np.random.default_rng(0), vnoise.Noise()
    images = 4 * dataset.BLOCK_SIZE
    steps = np.arange(PIXELS) / PIXELS

    def vectorised(cells: float, x0: float, y0: float) -> np.ndarray:
        return other.noise2(x0 + cells * steps, y0 + cells * steps, octaves=OCTAVES)

    def windows(count: int) -> np.ndarray:
        return rng.uniform([SCENE.lattice_cells[0], 0, 0], [SCENE.lattice_cells[1], 200, 200], (count, 3))

    ours = seconds(lambda: draw_noise(images, generator), 25) / images
    loops = seconds(lambda: [obvious_noise(*window) for window in windows(16)]) / 16
    arrays = seconds(lambda: [vectorised(*window) for window in windows(16)]) / 16
    return {"perlin_vs_noise": loops / ours, "perlin_vs_vnoise": arrays / ours}


def measure_deviation(images: int = 64) -> dict[str, float]:
    """Largest difference from the package on its lattice, whose gradients are read off next to the nodes."""
    period, step = range(perlin.PERIOD), 1 / 64
    lattice = torch.tensor(
        [
            [(round(noise.pnoise2(x + step, y) / step), round(noise.pnoise2(x, y + step) / step)) for x in period]
            for y in period
        ]
    ).float()
    generator = torch.Generator().manual_seed(1)
    low, high = SCENE.lattice_cells
    cells = low + (high - low) * torch.rand(images, generator=generator, dtype=torch.float64)
    origin = 200 * torch.rand(images, 2, generator=generator, dtype=torch.float64)
    gradients = []
    for octave, size in enumerate(perlin.lattice_sizes(high, OCTAVES)):
        nodes = ((origin * 2**octave).floor().long()[..., None] + torch.arange(size)) % perlin.PERIOD
        gradients.append(lattice[nodes[:, 1, :, None], nodes[:, 0, None, :]].permute(0, 3, 1, 2))
    ours = perlin.perlin_noise(gradients, cells, origin, PIXELS, PERSISTENCE.expand(images))
    theirs = [obvious_noise(across, *corner) for across, corner in zip(cells.tolist(), origin.tolist(), strict=True)]
    return {"perlin_max_deviation": float(np.abs(ours.numpy() - np.stack(theirs)).max())}


def measure_writing(imager: Imager, samples: int = 512) -> dict[str, float]:
    """Time to write over time to render, of shards made block by block."""
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(7):
            start = time.process_time()
            rendered = list(blocks(samples, imager))
            middle = time.process_time()
            shards.write(Path(folder) / "shard.h5", rendered, samples, {})
            shares.append((time.process_time() - middle) / (middle - start))
    return {"write_share": min(shares)}


def work(seed: int, barrier: "multiprocessing.synchronize.Barrier", rates: "multiprocessing.Queue[float]") -> None:
    torch.set_num_threads(1)
    imager = make_imager(make_psf())
    generate_samples(4 * dataset.BLOCK_SIZE, imager, seed)
    barrier.wait()
    start = time.perf_counter()
    generate_samples(128 * dataset.BLOCK_SIZE, imager, seed)
    rates.put(128 * dataset.BLOCK_SIZE / (time.perf_counter() - start))


def rate_of(processes: int) -> float:
    context = multiprocessing.get_context("spawn")
    barrier, rates = context.Barrier(processes), context.Queue()
    started = [context.Process(target=work, args=(seed, barrier, rates)) for seed in range(processes)]
    for process in started:
        process.start()
    total = sum(rates.get() for _ in started)
    for process in started:
        process.join()
    return total


def main() -> None:
    torch.set_num_threads(1)
    threadpool_limits(1)
    psf = make_psf()
    imager = make_imager(psf)
    figures = {
        **measure_samples(psf, imager),
        **measure_appearances(imager),
        **measure_products(),
        **measure_perlin(),
        **measure_deviation(),
        **measure_writing(imager),
        "two_processes": max(rate_of(2) for _ in range(3)) / max(rate_of(1) for _ in range(3)),
    }
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
