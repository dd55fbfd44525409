"""Speed of the network `two_sensors`, which is that of `stack2_physics`: against another checkout of foci3d, too.

`python tests/performance/network.py --before CHECKOUT` prints one JSON object. Both take turns, each in a process of
its own with one thread; the processor time of the fastest step or prediction of a turn counts, and the ratio is the
median over the turns. Samples are random light, as speed does not depend on them.

===================  ==========================================================================================
step                 forward and backward pass, optimizers and average of the weights for a batch of 16 samples, in
                     bfloat16
predict              a pair of measurements, of a batch of 64, in float32, without the average over symmetries
predict_bfloat16     the same in bfloat16
symmetries           one pair of measurements with the average over 16 symmetries, in float32
===================  ==========================================================================================
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

PROJECT = Path(__file__).parents[2]
N_REPEATS = 6


def fastest_ms(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(1 + N_REPEATS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return 1000 * min(seconds)


def measure() -> dict[str, float]:
    """Times of the foci3d that is imported [ms]."""
    from dataclasses import replace

    import torch

    from foci3d.io.samples import Samples
    from foci3d.learning.model import load_model
    from foci3d.learning.optimization import average_weights, make_optimizers
    from foci3d.learning.released import released_model
    from foci3d.learning.tasks import compute_logits
    from foci3d.reconstruction.demo import Demo

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = load_model(released_model("two_sensors"), psf=Demo.load().psf, average_symmetries=False)
    measurements = torch.rand(64, 2, 51, 51) + 0.5
    figures = {"predict": fastest_ms(lambda: model.predict_all(measurements)) / len(measurements)}
    if hasattr(model, "precision"):
        reduced = replace(model, precision="bfloat16")
        figures["predict_bfloat16"] = fastest_ms(lambda: reduced.predict_all(measurements)) / len(measurements)
    averaged = replace(model, average_symmetries=True)
    figures["symmetries"] = fastest_ms(lambda: averaged.predict_all(measurements[:1]))
    network = model.network.to(memory_format=torch.channels_last).train()
    config, task = model.description.training, model.task
    optimizers, average = make_optimizers(network, config), average_weights(network, 0.998)
    masks = (torch.rand(16, 4, 51, 51) > 0.7).to(torch.uint8)
    depths_um = 1000 * torch.rand(16, 4).sort(1).values
    samples = Samples(measurements=measurements[:16], layers=masks.float(), masks=masks, depths_um=depths_um)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            logits = compute_logits(network, samples.measurements)
        task.loss(logits, samples).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        average.update_parameters(network)

    return {**figures, "step": fastest_ms(step)}


def measure_checkout(checkout: Path) -> dict[str, float]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout / "workflow" / "src")}
    command = [sys.executable, __file__, "--measure"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description="Steps and predictions of a network that uses the PSF")
    parser.add_argument("--before", type=Path, help="another checkout of foci3d, to compare with")
    parser.add_argument("--turns", type=int, default=5, help="turns of each checkout")
    parser.add_argument("--measure", action="store_true", help="measure the foci3d that is imported, and nothing else")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure()))
        return
    checkouts = [PROJECT, *([arguments.before.resolve()] if arguments.before else [])]
    turns = [[measure_checkout(checkout) for checkout in checkouts] for _ in range(arguments.turns)]
    figures = {}
    for name in turns[0][0]:
        figures[name] = {"ms": min(turn[0][name] for turn in turns)}
        old = "predict" if name == "predict_bfloat16" else name
        if arguments.before:
            figures[name]["times_as_fast"] = median(turn[1][old] / turn[0][name] for turn in turns)
    rounded = {name: {key: float(f"{value:.3g}") for key, value in each.items()} for name, each in figures.items()}
    print(json.dumps(rounded, indent=1))


if __name__ == "__main__":
    main()
