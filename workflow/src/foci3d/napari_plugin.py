"""Plugin of napari: opens the folder of a result, and reconstructs images; `napari.yaml` declares it.

Functions here give layers as napari takes them: tuples of data, options and type. They import nothing of napari.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from skimage.measure import label

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
    """Layers of a result: images of the sensors, labels, points, and tracks (`track_foci`).

    Labels are of each layer that a network predicted, or of all planes of a volume; single cells are points alone.
    """
    volume, foci = result.volume, result.foci
    layers: list[LayerData] = []
    sensors = np.asarray(volume.measurement).swapaxes(0, 1)
    for name, images, depth_um in zip("AB", sensors, volume.sensor_depths_um, strict=False):
        layers.append((images[:, None], _plane(f"sensor {name}", depth_um, volume.pixel_pitch_um), "image"))
        layers[-1][1].update(colormap="inferno", blending="additive")
    layers += [*_layer_labels(result), *_volume_labels(result)]
    points = {"features": foci, "size": POINT_UM, "name": "foci", "face_color": "transparent", "border_color": "white"}
    layers.append((foci[POSITION].to_numpy(float), points, "points"))
    if tracks is not None and len(tracks):
        data = tracks[["track", *POSITION]].to_numpy(float)
        layers.append((data, {"name": "tracks", "features": tracks}, "tracks"))
    return layers


def _plane(name: str, depth_um: float, pixel_pitch_um: float, thickness_um: float = PLANE_UM) -> dict[str, Any]:
    """Options of images `(T, D, Y, X)` from a depth on, with the origin in the corner of the first pixel."""
    half_um = pixel_pitch_um / 2
    scale, translate = (1.0, thickness_um, pixel_pitch_um, pixel_pitch_um), (0.0, depth_um, half_um, half_um)
    return {"name": name, "scale": scale, "translate": translate}


def _layer_labels(result: AcquisitionReconstruction) -> Iterator[LayerData]:
    """Labels of each layer, empty in frames that are not of layers."""
    frames = {number: frame for number, frame in enumerate(result.by_number()) if frame and frame.is_of_layers}
    first, foci = result.frames[0], result.foci
    for index in range(max((len(frame.depths_um) for frame in frames.values()), default=0)):
        labels = np.zeros((result.n_frames, 1, *first.mask.shape[1:]), np.int32)
        depths_um = []
        for number, frame in frames.items():
            if index < len(frame.depths_um):
                rows = (foci["frame"] == number) & (foci["layer"] == index + 1)
                labels[number, 0] = _label_rows(number_foci(frame.mask[index]), rows)
                depths_um.append(frame.depths_um[index])
        depth_um = float(np.mean(depths_um))
        yield labels, _plane(f"layer {index + 1}, {depth_um:.0f} µm", depth_um, first.pixel_pitch_um), "labels"


def _volume_labels(result: AcquisitionReconstruction) -> Iterator[LayerData]:
    """Labels of all planes of a volume."""
    first, foci = result.frames[0], result.foci
    if first.specimen != "volume":
        return
    labels = np.zeros((result.n_frames, *first.mask.shape), np.int32)
    for number, frame in enumerate(result.by_number()):
        if frame:
            labels[number] = _label_rows(label(frame.mask), foci["frame"] == number)
    distance_um = first.depths_um[1] - first.depths_um[0] if len(first.depths_um) > 1 else PLANE_UM
    yield labels, _plane("bodies", first.depths_um[0], first.pixel_pitch_um, distance_um), "labels"


def _label_rows(numbers: npt.NDArray[np.integer], rows: pd.Series) -> npt.NDArray[np.int32]:
    """Rows of the table of all foci, from 1, in the pixels of regions with `numbers` from 1 in the order of `rows`."""
    return np.append(0, np.flatnonzero(rows) + 1).astype(np.int32)[numbers]


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
