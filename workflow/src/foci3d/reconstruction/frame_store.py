"""Frames of a series that are reconstructed, kept on the disk until the series is complete.

An interrupted reconstruction finds there what it has already computed. A frame has the name of the digest of all that
determines it, so that other images, models or settings find nothing, and its file is complete or absent.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from foci3d.confidence.quality import Quality
from foci3d.io.atomic import atomic_path
from foci3d.learning.model import Model
from foci3d.reconstruction.volume import Reconstruction
from foci3d.version import __version__

ARRAYS = ("measurement", "probability", "tiles")
TUPLES = ("depths_um", "depth_sds_um", "occupancy", "sensor_depths_um")
"""Attributes of a frame that are arrays, and those that are tuples of numbers."""


@dataclass(frozen=True)
class FrameStore:
    """Frames in a folder.

    Parameters
    ----------
    folder : Path
        Where they are.
    settings : str
        All that determines a reconstruction beside the measurement, see `describe_settings`.
    """

    folder: Path
    settings: str

    def get(self, measurements: Sequence[npt.NDArray[Any]], compute: Callable[..., Reconstruction]) -> Reconstruction:
        """The frame with these measurements: read, or computed of them and written."""
        path = self.path(measurements)
        frame = self.load(path)
        if frame is None:
            frame = compute(*measurements)
            self.save(path, frame)
        return frame

    def path(self, measurements: Sequence[npt.NDArray[Any]]) -> Path:
        """File of the frame with these measurements: the frame itself, and its variants."""
        digest = hashlib.sha256(self.settings.encode())
        for each in measurements:
            digest.update(str((each.shape, each.dtype.str)).encode() + np.ascontiguousarray(each).tobytes())
        return self.folder / f"{digest.hexdigest()[:32]}.npz"

    def load(self, path: Path) -> Reconstruction | None:
        """A frame, or None if it is not there."""
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as file:
            values: dict[str, Any] = {name: file[name] for name in file.files}
        described = json.loads(str(values.pop("description")))
        foci = {name.removeprefix("foci "): each for name, each in values.items() if name.startswith("foci ")}
        arrays: dict[str, Any] = {name: values[name] for name in ARRAYS}
        tuples: dict[str, Any] = {name: tuple(values[name].tolist()) for name in TUPLES}
        quality = Quality(**described.pop("quality"))
        return Reconstruction(**arrays, **tuples, foci=pd.DataFrame(foci), quality=quality, **described)

    def save(self, path: Path, frame: Reconstruction) -> None:
        """Write a frame."""
        described = {
            "threshold": frame.threshold,
            "pixel_pitch_um": frame.pixel_pitch_um,
            "quality": asdict(frame.quality),
        }
        values: dict[str, Any] = {name: np.asarray(getattr(frame, name)) for name in (*ARRAYS, *TUPLES)}
        values |= {f"foci {name}": frame.foci[name].to_numpy() for name in frame.foci}
        with atomic_path(path) as temporary:
            np.savez(temporary, **values, description=np.array(json.dumps(described)))

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def describe_settings(model: Model, **settings: Any) -> str:
    """All that determines a reconstruction beside the measurement, as text."""
    recalibration = model.usable_recalibration
    return json.dumps(
        {
            "version": __version__,
            "weights": model.description.digests.weights,
            "psf": model.psf.digest if model.psf else None,
            "sensor_separation_um": model.sensor_separation_um,
            "average_symmetries": model.average_symmetries,
            "recalibration": recalibration.model_dump_json() if recalibration else None,
            **settings,
        },
        sort_keys=True,
    )
