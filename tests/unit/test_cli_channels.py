"""`foci3d reconstruct` of images in several channels."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch

from foci3d.cli import main
from foci3d.learning.model_file import ModelDescription, save_model
from foci3d.reconstruction.result_folder import read_result


@pytest.fixture
def command(tmp_path: Path, model_description: ModelDescription) -> list[str]:
    """A model, and a file for each sensor and channel."""
    torch.manual_seed(0)
    save_model(model_description.build_network(), model_description, tmp_path / "m.json", tmp_path / "m.safetensors")
    rng = np.random.default_rng(0)
    for sensor in "ab":
        for channel in ("green", "red"):
            image = rng.integers(100, 4000, (13, 13)).astype(np.uint16)
            tifffile.imwrite(tmp_path / f"{sensor}_{channel}.tif", image)
    images = [f"--sensor-{name}={tmp_path}/{name}_{{channel}}.tif" for name in "ab"]
    return ["reconstruct", *images, f"--model={tmp_path}/m.json", f"--out={tmp_path}/out", "--device=cpu", "--channels"]


def test_each_channel_has_a_folder_and_all_share_tables(tmp_path: Path, command: list[str]) -> None:
    assert main([*command, "green", "red"]) == 0
    out = tmp_path / "out"
    for name in ("foci.csv", "quality.csv"):
        table = pd.read_csv(out / name)
        parts = [pd.read_csv(out / channel / name) for channel in ("green", "red")]
        pd.testing.assert_frame_equal(table, pd.concat(parts, ignore_index=True), check_dtype=False)
        assert set(table["channel"]) == {"green", "red"}
    assert read_result(out / "red").channel == "red"
    with tifffile.TiffFile(out / "red" / "volume.ome.tif") as file:
        assert 'Name="red probability"' in str(file.ome_metadata)
    assert main(["track", str(out / "foci.csv"), "--out", str(tmp_path)]) == 1


def test_fluorophores_instead_of_channels(tmp_path: Path, command: list[str]) -> None:
    matrix = tmp_path / "matrix.csv"
    matrix.write_text("channel,gfp\ngreen,1\nred,0.2\n")
    assert main([*command, "green", "red", "--unmixing", str(matrix)]) == 0
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["foci.csv", "gfp", "quality.csv"]


def test_mistakes(tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "green", "green"]) == 1
    assert "--channels: found green green; expected each name once" in capsys.readouterr().err
    assert main([*command[:-1], "--unmixing", "m.csv"]) == 1
    assert "--unmixing: found no --channels" in capsys.readouterr().err
    same = [part.replace("{channel}", "red") for part in command]
    assert main([*same, "green", "red"]) == 1
    assert "a_red.tif: found one channel with the axes Y X; expected several, as 2 channels" in capsys.readouterr().err
    assert main([*command, "blue"]) == 1
    assert "a_blue.tif" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
