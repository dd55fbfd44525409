"""How fast the synthesis is: `python tests/performance/synthesis.py` prints one JSON object.

Every ratio compares alternatives in this run, one process and one thread each, by the processor time of their fastest
repetition; only `two_processes` is by the clock, and wants two idle cores.

==========================  ========  ================================================================================
samples_per_s                         complete samples of set stack2: four layers, two sensors
samples_vs_obvious          >= 20     the same against `noise.pnoise2` for each pixel and `fftconvolve` for each layer
products_vs_torch                     `products.multiply` against `torch.matmul`, for matrices of the blur
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
from collections.abc import Callable
from pathlib import Path

import noise
import numpy as np
import torch
import yaml
from scipy.signal import fftconvolve
from threadpoolctl import threadpool_limits

from foci3d import optics, perlin, products, render, scene, shards, tissue

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # vnoise imports pkg_resources
    import vnoise

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text())
SCENE, ENTRY, IMAGER = CONFIG["scene"], CONFIG["sets"]["stack2"], CONFIG["imager"]
PIXELS, SEPARATION_UM, OCTAVES, STEP_UM = IMAGER["pixels"], IMAGER["sensor_separation_um"], SCENE["octaves"], 10


def seconds(work: Callable[[], object], repetitions: int = 7) -> float:
    """Processor time of the fastest repetition."""
    spent = []
    for _ in range(repetitions):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def make_psf() -> optics.Psf:
    depths_um = torch.arange(0, 2001, STEP_UM)
    kernels = optics.acceptance_kernels(
        optics.Acceptance(**CONFIG["psf"]["optics"]), depths_um, PIXELS, IMAGER["pixel_pitch_um"]
    )
    return optics.Psf(kernels.float(), depths_um.float(), IMAGER["pixel_pitch_um"])


def make_camera(psf: optics.Psf) -> render.Camera:
    return render.Camera.of(psf, IMAGER, tissue.Tissue(**CONFIG["tissue"]))


def make_split(seed: int = 1) -> render.Split:
    return render.Split(seed, "stack2", "test", ENTRY, scene.SceneConfig(**SCENE))


def synthesize(samples: int, camera: render.Camera, seed: int = 1) -> None:
    for _ in render.synthesize(make_split(seed), range(samples), camera):
        pass


def obvious_noise(cells: float, x0: float, y0: float) -> np.ndarray:
    picture = np.empty((PIXELS, PIXELS))
    for row in range(PIXELS):
        for column in range(PIXELS):
            x, y = x0 + cells * column / PIXELS, y0 + cells * row / PIXELS
            picture[row, column] = noise.pnoise2(x, y, octaves=OCTAVES)
    return picture


def obvious_sample(rng: np.random.Generator, kernels: np.ndarray) -> tuple[np.ndarray, ...]:
    """What a careful first version does."""
    depths_um = np.sort(rng.uniform(0, 400, 4)) + 200 * np.arange(4)
    layers, masks = np.empty((2, 4, PIXELS, PIXELS))
    for layer in range(4):
        field = (obvious_noise(rng.uniform(*SCENE["cells"]), *rng.uniform(0, 200, 2)) + 1) / 2
        masks[layer] = field > rng.uniform(*SCENE["threshold"])
        gain, ratio = rng.uniform(*SCENE["gain"]), rng.uniform(*SCENE["tumour_to_background"])
        cell, background = np.sqrt(np.log1p(np.square([SCENE["intensity_cv"], SCENE["background_cv"]])))
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


def measure_samples(psf: optics.Psf, camera: render.Camera) -> dict[str, float]:
    rng, kernels = np.random.default_rng(0), psf.kernels.numpy()
    # Repetitions of both take about as long and follow in turn, so that a busy neighbour slows both alike.
    samples, few = 5 * render.BLOCK, 8
    turns = [
        (
            seconds(lambda: synthesize(samples, camera), 1),
            seconds(lambda: [obvious_sample(rng, kernels) for _ in range(few)], 1),
        )
        for _ in range(40)
    ]
    ours, obvious = (min(spent) for spent in zip(*turns, strict=True))
    return {"samples_per_s": samples / ours, "samples_vs_obvious": (obvious / few) / (ours / samples)}


def measure_products() -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    layers = torch.randn(ENTRY["layers"] * render.BLOCK, PIXELS, PIXELS, generator=generator)
    bands = torch.randn(len(layers), PIXELS, 3 * PIXELS, generator=generator)
    theirs, ours = seconds(lambda: layers @ bands, 200), seconds(lambda: products.multiply(layers, bands), 200)
    return {"products_vs_torch": theirs / ours}


def draw_noise(pictures: int, generator: torch.Generator) -> torch.Tensor:
    """Noise of fresh random lattices, as `scene` draws it."""
    sizes = perlin.lattice_sizes(SCENE["cells"][1], OCTAVES)
    gradients = []
    for size in sizes:
        chosen = torch.randint(len(perlin.GRADIENTS), (pictures * size**2,), generator=generator, dtype=torch.int32)
        components = [part.index_select(0, chosen).view(pictures, size, size) for part in perlin.GRADIENTS.T]
        gradients.append(torch.stack(components, 1))
    low, high = SCENE["cells"]
    cells = low + (high - low) * torch.rand(pictures, generator=generator)
    return perlin.perlin(gradients, cells, torch.rand(pictures, 2, generator=generator), PIXELS, SCENE["persistence"])


def measure_perlin() -> dict[str, float]:
    generator, rng, other = torch.Generator().manual_seed(0), np.random.default_rng(0), vnoise.Noise()
    pictures = 4 * render.BLOCK
    steps = np.arange(PIXELS) / PIXELS

    def vectorised(cells: float, x0: float, y0: float) -> np.ndarray:
        return other.noise2(x0 + cells * steps, y0 + cells * steps, octaves=OCTAVES)

    def windows(count: int) -> np.ndarray:
        return rng.uniform([SCENE["cells"][0], 0, 0], [SCENE["cells"][1], 200, 200], (count, 3))

    ours = seconds(lambda: draw_noise(pictures, generator), 25) / pictures
    loops = seconds(lambda: [obvious_noise(*window) for window in windows(16)]) / 16
    arrays = seconds(lambda: [vectorised(*window) for window in windows(16)]) / 16
    return {"perlin_vs_noise": loops / ours, "perlin_vs_vnoise": arrays / ours}


def measure_deviation(pictures: int = 64) -> dict[str, float]:
    """Largest difference from the package on its lattice, whose gradients are read off next to the nodes."""
    period, step = range(perlin.PERIOD), 1 / 64
    lattice = torch.tensor(
        [
            [(round(noise.pnoise2(x + step, y) / step), round(noise.pnoise2(x, y + step) / step)) for x in period]
            for y in period
        ]
    ).float()
    generator = torch.Generator().manual_seed(1)
    low, high = SCENE["cells"]
    cells = low + (high - low) * torch.rand(pictures, generator=generator, dtype=torch.float64)
    origin = 200 * torch.rand(pictures, 2, generator=generator, dtype=torch.float64)
    gradients = []
    for octave, size in enumerate(perlin.lattice_sizes(high, OCTAVES)):
        nodes = ((origin * 2**octave).floor().long()[..., None] + torch.arange(size)) % perlin.PERIOD
        gradients.append(lattice[nodes[:, 1, :, None], nodes[:, 0, None, :]].permute(0, 3, 1, 2))
    ours = perlin.perlin(gradients, cells, origin, PIXELS, SCENE["persistence"])
    theirs = [obvious_noise(across, *corner) for across, corner in zip(cells.tolist(), origin.tolist(), strict=True)]
    return {"perlin_max_deviation": float(np.abs(ours.numpy() - np.stack(theirs)).max())}


def measure_writing(camera: render.Camera, samples: int = 512) -> dict[str, float]:
    """Time to write over time to render, of shards made block by block as the workflow does."""
    described = shards.layouts(samples, ENTRY["layers"], len(ENTRY["sensors"]), PIXELS, moving=False)
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(7):
            spent = {"render": 0.0, "write": 0.0}
            start = time.process_time()
            with shards.writing(Path(folder) / "shard.h5", described, {}) as writer:
                for block in render.synthesize(make_split(), range(samples), camera):
                    rendered = time.process_time()
                    for name, values in block.items():
                        writer.put(name, values)
                    written = time.process_time()
                    spent["render"] += rendered - start
                    spent["write"] += written - rendered
                    start = written
            spent["write"] += time.process_time() - start
            shares.append(spent["write"] / spent["render"])
    return {"write_share": min(shares)}


def work(seed: int, barrier: "multiprocessing.synchronize.Barrier", rates: "multiprocessing.Queue[float]") -> None:
    torch.set_num_threads(1)
    camera = make_camera(make_psf())
    synthesize(4 * render.BLOCK, camera, seed)
    barrier.wait()
    start = time.perf_counter()
    synthesize(128 * render.BLOCK, camera, seed)
    rates.put(128 * render.BLOCK / (time.perf_counter() - start))


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
    camera = make_camera(psf)
    figures = {
        **measure_samples(psf, camera),
        **measure_products(),
        **measure_perlin(),
        **measure_deviation(),
        **measure_writing(camera),
        "two_processes": max(rate_of(2) for _ in range(3)) / max(rate_of(1) for _ in range(3)),
    }
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
