"""The scripts of tests/performance run. What they measure is not tested, as it depends on the machine."""

import inspect
import runpy
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).parents[2]


def load(name: str) -> dict[str, Any]:
    """Functions of a script by name."""
    return runpy.run_path(str(PROJECT / "tests" / "performance" / f"{name}.py"))


def test_the_reference_of_the_synthesis_is_a_sample() -> None:
    script = load("synthesis")
    layers, masks, sensors, depths_um = script["obvious_sample"](
        np.random.default_rng(0), script["make_psf"]().kernels.numpy()
    )
    assert layers.shape == masks.shape == (4, 51, 51)
    assert sensors.shape == (2, 51, 51)
    assert (np.diff(depths_um) >= 200).all()
    assert 0 < masks.mean() < 1
    for layer, mask in zip(layers, masks == 1, strict=True):
        assert 2 < layer[mask].mean() / layer[~mask].mean() < 6


def test_speed_of_the_training(smoke: Path) -> None:
    script = load("training")
    assert script["seconds_to_target"]("stack2_physics", smoke, 1.0, 1) > 0
    figures = script["measure_steps"]("stack2_physics", smoke, 4, 1)
    assert figures["steps_per_s"] > 0
    assert 0 < figures["outside_share"] < 1


def test_speed_of_the_reconstruction(smoke: Path) -> None:
    figures = load("reconstruction")["compare"]("deblur_physics", smoke, [1, 2], (4, 4), 1)
    assert figures["classical_iterations"] in (1, 2)
    assert min(figures.values()) > 0


def test_the_cost_model_calls_scripts_with_the_arguments_that_they_have(tmp_path: Path) -> None:
    script = load("cost_model")

    def bind(rule: str, **arguments: Any) -> dict[str, float]:
        main = runpy.run_path(str(PROJECT / "workflow" / "scripts" / f"{rule}.py"))["main"]
        inspect.signature(main).bind(**arguments)
        return {"cpu_s": 1.0}

    (tmp_path / "4.h5").write_bytes(b"samples")
    for name, arguments in (("synthesize", (4,)), ("train", ("stack2_cnn", 4)), ("predict", ("stack2_cnn", 4))):
        script[name].__globals__["measure"] = bind
        assert script[name](tmp_path, *arguments)["cpu_s"] == 1.0
