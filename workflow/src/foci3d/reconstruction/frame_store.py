"""Frames of a series that are reconstructed, kept on the disk until its result is written.

An interrupted reconstruction finds there what it has already computed, and the memory of one frame is enough for a
series. A frame has the name of the digest of all that determines it, so that other images, models or settings find
nothing, and its file is complete or absent.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from foci3d.confidence.quality import Quality
from foci3d.io.atomic import atomic_path
from foci3d.learning.model import Model
from foci3d.reconstruction.volume import Reconstruction
from foci3d.version import __version__

ARRAYS = ("measurement", "probability", "tiles")
"""Attributes of a frame that are arrays; others are numbers, but for its table and its quality."""


class FrameStore(Sequence[Reconstruction]):
    """The frames of a series in a folder, read when they are used, or in memory.

    Parameters
    ----------
    folder : Path or None
        Where they are; None keeps them in memory.
    settings : str
        All that determines a reconstruction beside the measurement, see `describe_settings`.
    """

    def __init__(self, folder: Path | None, settings: str) -> None:
        self.folder = folder
        self.settings = settings
        self._frames: list[Path | Reconstruction] = []

    def add(self, measurements: Sequence[npt.NDArray[Any]], compute: Callable[..., Reconstruction]) -> Reconstruction:
        """Append the frame with these measurements, itself and its variants: read, or computed of them."""
        if self.folder is None:
            frame = compute(*measurements)
            self._frames.append(frame)
            return frame
        path = self.folder / f"{digest_arrays(self.settings, measurements)}.npz"
        if not path.is_file():
            _write_frame(path, compute(*measurements))
        self._frames.append(path)
        return _read_frame(path)

    def __len__(self) -> int:
        return len(self._frames)

    @overload
    def __getitem__(self, index: int) -> Reconstruction: ...
    @overload
    def __getitem__(self, index: slice) -> list[Reconstruction]: ...
    def __getitem__(self, index: int | slice) -> Reconstruction | list[Reconstruction]:
        """A frame, or several."""
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        frame = self._frames[index]
        return _read_frame(frame) if isinstance(frame, Path) else frame


def _read_frame(path: Path) -> Reconstruction:
    with np.load(path, allow_pickle=False) as file:
        values: dict[str, Any] = {name: file[name] for name in ARRAYS}
        foci, described = pd.DataFrame.from_records(file["foci"]), json.loads(str(file["description"]))
    quality = Quality(**described.pop("quality"))
    values |= {name: tuple(value) if isinstance(value, list) else value for name, value in described.items()}
    return Reconstruction(**values, foci=foci, quality=quality)


def _write_frame(path: Path, frame: Reconstruction) -> None:
    """Write a frame; numbers keep all their digits."""
    described = {each.name: getattr(frame, each.name) for each in fields(frame) if each.name not in ARRAYS}
    foci: pd.DataFrame = described.pop("foci")
    arrays: dict[str, Any] = {name: getattr(frame, name) for name in ARRAYS}
    description = json.dumps({**described, "quality": asdict(frame.quality)})
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays, foci=foci.to_records(index=False), description=np.array(description))


def digest_arrays(settings: str, arrays: Sequence[npt.NDArray[Any]]) -> str:
    """Digest of settings and arrays: 32 hexadecimal digits."""
    digest = hashlib.sha256(settings.encode())
    for each in arrays:
        digest.update(str((each.shape, each.dtype.str)).encode() + np.ascontiguousarray(each).tobytes())
    return digest.hexdigest()[:32]


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
            "precision": model.precision,
            "recalibration": recalibration.model_dump_json() if recalibration else None,
            **settings,
        },
        sort_keys=True,
    )
