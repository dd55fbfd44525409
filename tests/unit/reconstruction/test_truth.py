"""The truth of a specimen, beside which reconstructions with known errors are put."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from foci3d.confidence.quality import Quality
from foci3d.errors import InputError
from foci3d.io.volume_file import Volume, write_volume
from foci3d.reconstruction.truth import Truth
from foci3d.reconstruction.volume import Reconstruction

MASKS = np.zeros((2, 5, 5), bool)
MASKS[0, :2] = True  # 10 pixels
MASKS[1, 4, 4] = True


def reconstruct(masks: np.ndarray, foci: pd.DataFrame) -> Reconstruction:
    depths_um = tuple(100.0 * layer for layer in range(1, len(masks) + 1))
    layers = (masks.astype(np.float32), depths_um, depths_um, (1.0,) * len(masks))
    return Reconstruction(np.ones((2, 5, 5)), *layers, foci, 0.5, 55.0, (0.0, 1000.0), Quality())


def test_layers(tmp_path: Path) -> None:
    depths_um = np.array([[110.0, 180.0]])
    nothing = np.zeros((1, 0, 5, 5))
    write_volume(
        tmp_path / "t.ome.tif", Volume(MASKS[None].astype(np.float32), MASKS[None], nothing, depths_um, depths_um, 55.0)
    )
    truth = Truth.load(tmp_path / "t.ome.tif")
    found = MASKS.copy()
    found[0, 2] = True  # 5 of 50 pixels are wrong
    expected = "against the truth: 10.0% of the pixels are wrong, Dice 0.90, depths off by 15 um in the mean"
    assert truth.compare(reconstruct(found, pd.DataFrame())) == expected
    other = reconstruct(MASKS[:1], pd.DataFrame())
    assert truth.compare(other) == (
        "not compared with the truth: the layers are 1 x 5 x 5 and those of the truth 2 x 5 x 5"
    )


def test_layers_without_cells_have_no_dice() -> None:
    one_layer = MASKS * np.array([True, False])[:, None, None]
    for masks, dice in ((one_layer, "Dice 1.00"), (np.zeros_like(MASKS), "no cells in either")):
        truth = Truth.of_layers(masks, (100.0, 200.0))
        assert truth.compare(reconstruct(masks, pd.DataFrame())) == (
            f"against the truth: 0.0% of the pixels are wrong, {dice}, depths off by 0 um in the mean"
        )


def test_a_table_without_cells_is_one_of_cells(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_text("depth_um,y_um,x_um\n")
    truth = Truth.load(tmp_path / "cells.csv")
    foci = pd.DataFrame({"depth_um": [310.0, 900], "y_um": [100.0, 500], "x_um": [100.0, 500]})
    for found in (foci, foci[:0]):
        expected = f"against the truth: 0 of 0 cells found, {len(found)} found where there is none"
        assert truth.compare(reconstruct(MASKS, found)) == expected


def test_cells(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_text("x_um,y_um,depth_um\n100,100,300\n500,500,600\n")
    truth = Truth.load(tmp_path / "cells.csv")
    foci = pd.DataFrame({"depth_um": [310.0, 900, 602], "y_um": [100.0, 500, 503], "x_um": [100.0, 500, 504]})
    result = reconstruct(MASKS, foci)
    assert truth.compare(result) == (
        "against the truth: 2 of 2 cells found, 1 found where there is none, depths off by 6.0 um and places by 2.5 um "
        "in the mean"
    )
    assert truth.compare(replace(result, foci=foci[1:2])).endswith("0 of 2 cells found, 1 found where there is none")
    (tmp_path / "cells.csv").write_text("x_um,depth_um\n100,300\n")
    with pytest.raises(InputError, match="expected a column y_um"):
        Truth.load(tmp_path / "cells.csv")
