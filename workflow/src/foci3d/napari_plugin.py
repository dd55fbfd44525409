"""Plugin of napari: opens the folder of a result, and reconstructs images; `napari.yaml` declares it.

Functions here give layers as napari takes them: tuples of data, options and type. They import nothing of napari.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from foci3d.reconstruction.acquisition import AcquisitionReconstruction
from foci3d.reconstruction.foci import number_foci
from foci3d.reconstruction.result_folder import read_result

if TYPE_CHECKING:
    import napari.types

LayerData = tuple[Any, dict[str, Any], str]

VOLUME, TRACKS = "volume.ome.tif", "tracks/tracks.csv"

PLANE_UM = 10.0
"""Thickness with which a layer is drawn."""

POINT_UM = 60.0
"""Size with which a focus is drawn."""

POSITION = ["frame", "depth_um", "y_um", "x_um"]


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """Reader of a folder of a result, or of its ``volume.ome.tif``; None for any other path."""
    if isinstance(path, list) or not (_folder(path) / VOLUME).is_file():
        return None
    return read_layers


def _folder(path: str | Path) -> Path:
    path = Path(path)
    return path.parent if path.name == VOLUME else path


def read_layers(path: str | Path) -> list[LayerData]:
    """Layers of a folder of a result: images, masks, foci and, of a time series, tracks.

    Parameters
    ----------
    path : str or Path
        Folder that `foci3d.write_reconstruction` wrote, or its ``volume.ome.tif``.

    Returns
    -------
    list of tuple
        Data, options and type of each layer, in micrometres, with the axes time, depth, y and x.
    """
    folder = _folder(path)
    tracks = folder / TRACKS
    return make_layers(read_result(folder), pd.read_csv(tracks) if tracks.is_file() else None)


def make_layers(result: AcquisitionReconstruction, tracks: pd.DataFrame | None = None) -> list[LayerData]:
    """Layers of a result: images of the sensors, labels of each layer, points, and tracks (`track_foci`)."""
    volume, first = result.volume, result.frames[0]
    foci = result.foci
    layers: list[LayerData] = []
    sensors, masks = np.asarray(volume.measurement).swapaxes(0, 1), np.asarray(volume.mask)
    for name, images, depth_um in zip("AB", sensors, volume.sensor_depths_um, strict=False):
        layers.append((images[:, None], _plane(f"sensor {name}", depth_um, first.pixel_pitch_um), "image"))
        layers[-1][1].update(colormap="inferno", blending="additive")
    for index in range(0 if first.is_of_cells else masks.shape[1]):
        numbers = [_label_foci(mask, foci, frame, index) for frame, mask in enumerate(masks[:, index])]
        depth_um = float(volume.known_depths_um[:, index].mean())
        options = _plane(f"layer {index + 1}, {depth_um:.0f} µm", depth_um, first.pixel_pitch_um)
        layers.append((np.stack(numbers)[:, None], options, "labels"))
    points = {"features": foci, "size": POINT_UM, "name": "foci", "face_color": "transparent", "border_color": "white"}
    layers.append((foci[POSITION].to_numpy(float), points, "points"))
    if tracks is not None and len(tracks):
        data = tracks[["track", *POSITION]].to_numpy(float)
        layers.append((data, {"name": "tracks", "features": tracks}, "tracks"))
    return layers


def _plane(name: str, depth_um: float, pixel_pitch_um: float) -> dict[str, Any]:
    """Options of images `(T, 1, Y, X)` at one depth, with the origin in the corner of the first pixel."""
    half_um = pixel_pitch_um / 2
    scale, translate = (1.0, PLANE_UM, pixel_pitch_um, pixel_pitch_um), (0.0, depth_um, half_um, half_um)
    return {"name": name, "scale": scale, "translate": translate}


def _label_foci(mask: npt.NDArray[Any], foci: pd.DataFrame, frame: int, layer: int) -> npt.NDArray[np.uint16]:
    """Numbers of the foci of a frame in the pixels of a layer: their rows of the table of all foci, from 1."""
    rows = np.flatnonzero((foci["frame"] == frame) & (foci["layer"] == layer + 1))
    return np.append(0, rows + 1).astype(np.uint16)[number_foci(mask)]


def reconstruct_images(
    psf: Path, sensor_a: Path, sensor_b: Path = Path(), single_cells: bool = False
) -> "list[napari.types.LayerDataTuple]":
    """Reconstruct the images of one or two sensors with the released network, and show the result as layers.

    Parameters
    ----------
    psf : Path
        Point-spread function of the imager (HDF5).
    sensor_a, sensor_b : Path
        Image or time series of each sensor; sensor B may be left out.
    single_cells : bool
        Whether the specimen is a few single cells, not layers.

    Returns
    -------
    list of tuple
        See `read_layers`.
    """
    from foci3d.config.samples import make_acquisition
    from foci3d.learning.model import load_model
    from foci3d.learning.released import default_model
    from foci3d.reconstruction.acquisition import reconstruct_acquisition

    images = {"sensor_a": str(sensor_a)} | ({"sensor_b": str(sensor_b)} if sensor_b != Path() else {})
    model = load_model(default_model(len(images)), psf=psf)
    acquisition = make_acquisition({"sample": "acquisition", "pixel_pitch_um": model.pixel_pitch_um, **images})
    result = reconstruct_acquisition(acquisition, model, specimen="cells" if single_cells else "layers")
    return make_layers(result)
