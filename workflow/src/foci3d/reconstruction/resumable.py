"""A model that keeps what it predicts on the disk, so that an interrupted reconstruction of a large field resumes."""

import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from foci3d.io.atomic import atomic_path
from foci3d.io.samples import NumpyOutputs, Outputs
from foci3d.learning.model import Model, to_numpy
from foci3d.reconstruction.frame_store import describe_settings, digest_arrays


@dataclass(frozen=True)
class ResumableModel(Model):
    """A model whose predictions for a batch of tiles are read from a folder, if they are there.

    Parameters
    ----------
    folder : Path
        Where they are; a file has the name of the digest of the model and the tiles.
    """

    folder: Path = Path()

    @classmethod
    def of(cls, model: Model, folder: Path) -> "ResumableModel":
        """A model with a folder."""
        return cls(**{field.name: getattr(model, field.name) for field in fields(Model)}, folder=folder)

    def predict_all(self, measurements: npt.ArrayLike | Tensor) -> NumpyOutputs:
        """Predict as `Model.predict_all`, or read what was predicted."""
        images = to_numpy(measurements)
        path = self.folder / f"{digest_arrays(describe_settings(self), [images])}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as file:
                return Outputs(**file)
        outputs = super().predict_all(images)
        arrays: dict[str, Any] = {**outputs.arrays()}
        with atomic_path(path) as temporary:
            np.savez(temporary, **arrays)
        return outputs

    def forget(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
