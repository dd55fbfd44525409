"""The truth of a specimen, where it is known, such as of a simulated one, to compare a reconstruction with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from foci3d.config.fields import Specimen
from foci3d.evaluation.metrics import Confusion, mean_defined
from foci3d.io.tables import read_table
from foci3d.io.volume_file import read_volume
from foci3d.reconstruction.volume import Reconstruction

POSITION = ["depth_um", "y_um", "x_um"]

MAX_LATERAL_UM, MAX_DEPTH_UM = 55.0, 100.0
"""Largest lateral distance and largest distance in depth of a cell that is found."""


@dataclass(frozen=True)
class Truth:
    """Layers of cells, or single cells.

    Parameters
    ----------
    masks : ndarray (L, Y, X), bool
        Where each layer holds cells; of single cells, L is 0.
    depths_um : tuple of L floats
        Depths of the layers [um].
    cells : DataFrame
        Single cells: depth_um, y_um and x_um, from the upper left corner of the image; empty for layers.
    specimen : {"layers", "cells"}
        Which of them it is.
    """

    masks: npt.NDArray[Any]
    depths_um: tuple[float, ...]
    cells: pd.DataFrame
    specimen: Specimen

    @classmethod
    def of_layers(cls, masks: npt.NDArray[Any], depths_um: tuple[float, ...]) -> Self:
        """Layers of cells."""
        return cls(masks, depths_um, pd.DataFrame(columns=POSITION, dtype=float), "layers")

    @classmethod
    def of_cells(cls, cells: pd.DataFrame) -> Self:
        """Single cells; of none, the table has no rows."""
        return cls(np.zeros((0, 1, 1), bool), (), cells, "cells")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read single cells from a CSV file with the columns depth_um, y_um and x_um, or layers from a volume.ome.tif.

        Raises
        ------
        InputError
            If the file is neither.
        """
        if Path(path).suffix.lower() == ".csv":
            return cls.of_cells(read_table(path, POSITION)[POSITION])
        volume = read_volume(path)
        return cls.of_layers(np.asarray(volume.mask)[0], tuple(volume.depths_um[0].tolist()))

    def compare(self, result: Reconstruction) -> str:
        """How near a reconstruction is to the truth, in words."""
        if self.specimen == "cells":
            return self._compare_cells(result.foci[POSITION])
        if result.mask.shape != self.masks.shape:
            shapes = (" x ".join(map(str, each.shape)) for each in (result.mask, self.masks))
            return "not compared with the truth: the layers are {} and those of the truth {}".format(*shapes)
        counts = Confusion.from_masks(result.mask, self.masks > 0)
        errors_um, dice = np.abs(np.subtract(result.depths_um, self.depths_um)), mean_defined(counts.dice)
        overlap = "no cells in either" if np.isnan(dice) else f"Dice {dice:.2f}"
        return (
            f"against the truth: {counts.error.mean():.1%} of the pixels are wrong, {overlap}, "
            f"depths off by {errors_um.mean():.0f} um in the mean"
        )

    def _compare_cells(self, found: pd.DataFrame) -> str:
        from scipy.optimize import linear_sum_assignment  # slow to import, and a truth is rarely known

        differences = self.cells.to_numpy()[:, None] - found.to_numpy(float)[None]
        depth, lateral = abs(differences[..., 0]), np.hypot(differences[..., 1], differences[..., 2])
        is_near = (lateral <= MAX_LATERAL_UM) & (depth <= MAX_DEPTH_UM)
        pairs = linear_sum_assignment(np.where(is_near, lateral / MAX_LATERAL_UM + depth / MAX_DEPTH_UM, 1e6))
        is_pair = is_near[pairs]
        text = (
            f"against the truth: {is_pair.sum()} of {len(self.cells)} cells found, "
            f"{len(found) - is_pair.sum()} found where there is none"
        )
        if not is_pair.any():
            return text
        depth_um, lateral_um = (each[pairs][is_pair].mean() for each in (depth, lateral))
        return f"{text}, depths off by {depth_um:.1f} um and places by {lateral_um:.1f} um in the mean"
