"""The plugin of napari, without a window: its manifest, and the layers that it gives."""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import foci3d
from foci3d import napari_plugin
from foci3d.confidence.quality import Quality
from foci3d.config.models import TrackingConfig
from foci3d.reconstruction.acquisition import AcquisitionReconstruction
from foci3d.reconstruction.foci import find_foci
from foci3d.reconstruction.thick import body_table
from foci3d.reconstruction.tracking import Tracks
from foci3d.reconstruction.volume import Reconstruction

MANIFEST = Path(foci3d.__file__).with_name("napari.yaml")


def make_frame(seed: int) -> Reconstruction:
    probability = np.zeros((2, 12, 15), np.float32)
    rng = np.random.default_rng(seed)
    for layer in probability:  # a small and a large focus
        y, x = rng.integers(0, 3, 2)
        layer[y, x], layer[6 : 8 + y, 8 : 10 + x] = 0.8, 0.9
    depths_um, sds_um = (110.0, 620.0), (10.0, 20.0)
    foci = find_foci(probability, 0.5, depths_um, sds_um, 55.0)
    layers = (probability, depths_um, sds_um, (1.0, 1.0), foci, 0.5, 55.0, (0.0, 1000.0))
    return Reconstruction(rng.random((2, 12, 15), np.float32), *layers, Quality())


@pytest.fixture
def result(tmp_path: Path) -> AcquisitionReconstruction:
    frames = AcquisitionReconstruction((make_frame(0), make_frame(1)), skipped={1: "dark"})
    tracking = TrackingConfig(max_lateral_um=200.0, max_depth_um=100.0, max_gap=1)
    tracked = AcquisitionReconstruction(
        frames.frames, skipped=frames.skipped, tracks=Tracks.from_foci(frames.foci, tracking)
    )
    tracked.save(tmp_path / "map")
    (tmp_path / "map" / "tracks").mkdir(exist_ok=True)
    tracked.tracks.save(tmp_path / "map" / "tracks")
    return tracked


def test_the_manifest_names_functions_that_exist() -> None:
    manifest = yaml.safe_load(MANIFEST.read_text())
    commands = {command["id"]: command["python_name"] for command in manifest["contributions"]["commands"]}
    for python_name in commands.values():
        module, function = python_name.split(":")
        assert callable(getattr(importlib.import_module(module), function))
    used = [part["command"] for kind in ("readers", "widgets") for part in manifest["contributions"][kind]]
    assert sorted(used) == sorted(commands)
    pytest.importorskip("npe2").PluginManifest.from_file(MANIFEST)


def test_a_folder_of_a_result_is_read_and_others_are_not(tmp_path: Path, result: AcquisitionReconstruction) -> None:
    for path in (tmp_path / "map", tmp_path / "map" / "volume.ome.tif"):
        reader = napari_plugin.get_reader(str(path))
        assert reader is not None
        assert [options["name"] for _, options, _ in reader(str(path))] == [
            *("sensor A", "sensor B", "layer 1, 110 µm", "layer 2, 620 µm", "foci", "tracks")
        ]
    assert napari_plugin.get_reader(str(tmp_path)) is None
    assert napari_plugin.get_reader(["a.tif", "b.tif"]) is None


def test_labels_are_the_rows_of_the_foci_under_them(result: AcquisitionReconstruction) -> None:
    layers = {options["name"]: (data, options) for data, options, _ in napari_plugin.make_layers(result)}
    labels, options = layers["layer 2, 620 µm"]
    assert (labels.shape, options["translate"][1]) == ((3, 1, 12, 15), 620)
    for number, focus in enumerate(result.foci.itertuples(), 1):
        shown = layers["layer 1, 110 µm" if focus.layer == 1 else "layer 2, 620 µm"][0][focus.frame, 0]
        y, x = np.nonzero(shown == number)
        assert len(y) * 55**2 == focus.area_um2
        assert (y.mean() * 55 + 27.5, x.mean() * 55 + 27.5) == pytest.approx((focus.y_um, focus.x_um))
    assert not labels[1].any()  # the skipped frame
    points, options = layers["foci"]
    np.testing.assert_array_equal(points, result.foci[["frame", "depth_um", "y_um", "x_um"]])
    assert options["features"]["depth_sd_um"].tolist() == result.foci["depth_sd_um"].tolist()


def test_a_volume_is_one_layer_of_labels() -> None:
    probability = np.zeros((6, 12, 15), np.float32)
    probability[:2, :2, :2], probability[3:, 4:, 4:] = 0.9, 0.6
    depths_um = 25.0 + 50 * np.arange(6)
    foci = body_table(probability, 0.5, depths_um, 55.0)
    volume = replace(
        make_frame(0), probability=probability, depths_um=tuple(depths_um.tolist()), foci=foci, specimen="volume"
    )
    result = AcquisitionReconstruction((volume, volume), skipped={1: "dark"})
    ((labels, options),) = [each[:2] for each in napari_plugin.make_layers(result) if each[2] == "labels"]
    assert (labels.shape, labels.dtype) == ((3, 6, 12, 15), np.int32)
    assert (options["scale"][1], options["translate"][1]) == (50, 25)
    for number, body in enumerate(result.foci.itertuples(), 1):
        assert (labels == number).sum() * 55**2 * 50 == body.volume_um3
        assert (labels[body.frame] == number).any()


def test_frames_of_cells_have_points_and_those_of_layers_have_labels() -> None:
    foci = make_frame(1).foci.assign(brightness=1.0)
    cells = replace(make_frame(1), probability=np.ones((6, 12, 15), np.float32), depths_um=(1.0,) * 6, foci=foci)
    result = AcquisitionReconstruction((replace(cells, specimen="cells"), make_frame(0)))
    layers = {options["name"]: data for data, options, kind in napari_plugin.make_layers(result) if kind == "labels"}
    assert list(layers) == ["layer 1, 110 µm", "layer 2, 620 µm"]
    for labels in layers.values():
        assert not labels[0].any()
        assert labels[1].any()


def test_labels_of_many_foci_do_not_wrap() -> None:
    frame = make_frame(0)
    others = [frame.foci.assign(layer=3)] * 17_000
    many = replace(frame, foci=pd.concat([frame.foci, *others], ignore_index=True))
    result = AcquisitionReconstruction((many, frame))
    labels, _, _ = napari_plugin.make_layers(result)[2]
    rows = np.flatnonzero((result.foci["frame"] == 1) & (result.foci["layer"] == 1)) + 1
    assert rows.min() > 2**16
    assert {*labels[1].ravel()} == {0, *rows}


def test_tracks_are_lines_through_the_foci(result: AcquisitionReconstruction) -> None:
    assert result.tracks is not None
    data, _, kind = napari_plugin.make_layers(result, result.tracks.foci)[-1]
    assert (kind, data.shape) == ("tracks", (len(result.foci), 5))
    assert isinstance(result.tracks.foci, pd.DataFrame)
    assert set(data[:, 0]) == set(result.tracks.foci["track"])
