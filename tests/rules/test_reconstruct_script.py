from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch

from foci3d import nets
from foci3d.models import load_model, save_model
from foci3d.predict import apply

ACQUISITIONS = Path(__file__).parents[2] / "resources" / "acquisitions"
PICTURES = [str(ACQUISITIONS / f"tissue1_{sensor}.tif") for sensor in "ab"]
DEPTHS_UM = [{"mean": 120.0, "sd": 70.0}, {"mean": 380.5, "sd": 90.0}]


@pytest.fixture
def model(tmp_path: Path) -> dict[str, str]:
    """Files of a small network with random weights that tells two layers."""
    torch.manual_seed(0)
    description = {
        "net": "small",
        "set": "stack",
        "task": "masks",
        "architecture": {"name": "conv_deconv", "widths": [4, 8], "strides": [1, 2], "kernel": 3},
        "inputs": 2,
        "outputs": 2,
        "pixels": 51,
        "sensors": "AB",
        "layers": 2,
        "classes_um": [],
        "layer_depths_um": DEPTHS_UM,
        "digests": {},
    }
    files = {"model": str(tmp_path / "small.json"), "weights": str(tmp_path / "small.safetensors")}
    save_model(nets.build(description["architecture"], 2, 2, 51), description, files["model"], files["weights"])
    return files


@pytest.fixture
def reconstruct(tmp_path: Path, model: dict[str, str], run_script: Callable[..., str]) -> Callable[[list[str]], Path]:
    def run(pictures: list[str]) -> Path:
        names = {"probability": "probability.ome.tif", "foci": "foci.csv", "overview": "o.png", "view": "view.html"}
        run_script(
            "reconstruct_sample",
            input={"pictures": pictures, **model},
            output={key: str(tmp_path / "out" / name) for key, name in names.items()},
            params={
                "pixel_pitch_um": 55.0,
                "sensor_separation_um": 1000.0,
                "threshold": 0.5,
                "compute": {"device": "cpu", "precision": "float32", "threads": 1},
            },
            wildcards={"sample": "tissue1"},
        )
        return tmp_path / "out"

    return run


def test_writes_what_the_model_says(reconstruct: Callable[[list[str]], Path], model: dict[str, str]) -> None:
    out = reconstruct(PICTURES)
    pictures = np.stack([tifffile.imread(path) for path in PICTURES]).astype(np.float32)
    expected = apply(load_model(model["model"], model["weights"]), pictures[None])[0]
    with tifffile.TiffFile(out / "probability.ome.tif") as file:
        np.testing.assert_allclose(file.asarray(), expected, atol=1e-6)
        assert 'PositionZ="380.5"' in file.ome_metadata
    foci = pd.read_csv(out / "foci.csv")
    for layer, depth_um in enumerate(DEPTHS_UM, 1):
        found = foci[foci.layer == layer]
        assert found.area_um2.sum() == pytest.approx((expected[layer - 1] > 0.5).sum() * 55**2)
        assert set(found.depth_um) <= {depth_um["mean"]}
        assert set(found.depth_sd_um) <= {depth_um["sd"]}
    assert len(foci) > 0
    assert (out / "o.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_needs_no_network(reconstruct: Callable[[list[str]], Path]) -> None:
    page = (reconstruct(PICTURES) / "view.html").read_text()
    assert "layer 2, 38" in page
    assert 'src="http' not in page


def test_the_same_bytes_each_time(reconstruct: Callable[[list[str]], Path]) -> None:
    first = {path.name: path.read_bytes() for path in reconstruct(PICTURES).iterdir()}
    assert {path.name: path.read_bytes() for path in reconstruct(PICTURES).iterdir()} == first


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (lambda path: tifffile.imwrite(path, np.eye(50, dtype=np.uint16)), "the picture has 50 x 50 pixels"),
        (lambda path: path.write_text("no picture"), "not a readable picture"),
        (lambda path: None, "there is no such file"),
    ],
)
def test_a_picture_that_does_not_fit(
    reconstruct: Callable[[list[str]], Path], tmp_path: Path, broken: Any, sentence: str
) -> None:
    path = tmp_path / "mine.tif"
    broken(path)
    with pytest.raises(SystemExit):
        reconstruct([PICTURES[0], str(path)])
    log = (tmp_path / "reconstruct_sample.log").read_text()
    assert f"{path}: {sentence}" in log
    assert "Traceback" not in log
    assert list((tmp_path / "out").iterdir()) == []


def test_a_sensor_too_few(reconstruct: Callable[[list[str]], Path], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        reconstruct(PICTURES[:1])
    assert "1 sensors of 51 x 51 pixels were given; expected 2" in (tmp_path / "reconstruct_sample.log").read_text()
