"""Reconstruction of an acquisition through its script."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from conditions import cells, described_psf
from imager import Imperfections

import foci3d
from foci3d.cli import main
from foci3d.confidence.recalibration import recalibrate_network
from foci3d.config.models import TrackingConfig, TrustConfig
from foci3d.io.samples import Samples
from foci3d.learning.model import load_model
from foci3d.learning.model_file import LayerDepth, ModelDescription, save_model
from foci3d.learning.recalibration import SUFFIX
from foci3d.learning.released import released_model
from foci3d.optics.psf import PSF
from foci3d.reconstruction.imager_correction import ImagerCorrection

ACQUISITIONS = Path(__file__).parents[2] / "resources" / "acquisitions"
IMAGES = [str(ACQUISITIONS / f"clusters_{sensor}.tif") for sensor in "ab"]
THRESHOLD = 0.45  # exceeded by some pixels of a random network
DEPTHS_UM = (LayerDepth(mean=120.0, sd=70.0), LayerDepth(mean=380.5, sd=90.0))


@pytest.fixture
def model(tmp_path: Path, model_description: ModelDescription) -> dict[str, str]:
    """Files of a small network with random weights for two layers."""
    torch.manual_seed(0)
    change = {"n_pixels": 51, "n_layers": 2, "out_channels": 2, "layer_depths_um": DEPTHS_UM}
    description = model_description.model_copy(update=change)
    files = {"model": str(tmp_path / "small.json"), "weights": str(tmp_path / "small.safetensors")}
    save_model(description.build_network(), description, files["model"], files["weights"])
    return files


@pytest.fixture
def reconstruct(
    tmp_path: Path, model: dict[str, str], psf: PSF, run_script: Callable[..., str]
) -> Callable[[list[str]], Path]:
    psf.save(tmp_path / "psf.h5")

    def run(images: list[str], recalibration: tuple[str, ...] = ()) -> Path:
        names = {"volume": "volume.ome.tif", "foci": "foci.csv", "quality": "quality.csv", "tracks": "tracks"}
        names |= {"overview": "overview.png", "view": "view.html"}
        run_script(
            "reconstruct_sample",
            input={
                "images": images,
                **model,
                "psf": str(tmp_path / "psf.h5"),
                "imager": [],
                "unmixing": [],
                "recalibration": list(recalibration),
            },
            output={key: str(tmp_path / "out" / name) for key, name in names.items()},
            params={
                "name": "clusters",
                "acquisitions": [
                    {"sample": "clusters", "pixel_pitch_um": 55.0}
                    | dict(zip(["sensor_a", "sensor_b"], images, strict=False))
                ],
                "specimen": "layers",
                "n_layers": None,
                "threshold": THRESHOLD,
                "conditioning": {"offset": False, "defects": False},
                "tracking": {"max_lateral_um": 110.0, "max_depth_um": 300.0, "max_gap": 0},
                "inference": {"device": "cpu", "average_symmetries": False},
                "unusable_frames": "skip",
            },
            wildcards={"sample": "clusters"},
        )
        return tmp_path / "out"

    return run


def test_writes_the_prediction_of_the_model(reconstruct: Callable[[list[str]], Path], model: dict[str, str]) -> None:
    out = reconstruct(IMAGES)
    measurement = np.stack([tifffile.imread(path) for path in IMAGES])
    expected = load_model(model["model"], average_symmetries=False).predict(measurement[None]).output[0]
    with tifffile.TiffFile(out / "volume.ome.tif") as file:
        probability, uncertainty = file.series[0].asarray()
        mask = file.series[1].asarray()
        assert 'PositionZ="380.5"' in file.ome_metadata
    np.testing.assert_allclose(probability, expected, atol=1e-6)
    np.testing.assert_array_equal(mask, probability > THRESHOLD)
    np.testing.assert_allclose(uncertainty, np.minimum(expected, 1 - expected), atol=1e-6)
    foci = pd.read_csv(out / "foci.csv")
    for layer, depth in enumerate(DEPTHS_UM, 1):
        found = foci[foci.layer == layer]
        assert found.area_um2.sum() == pytest.approx((expected[layer - 1] > THRESHOLD).sum() * 55**2)
        assert set(found.depth_um) <= {depth.mean}
        assert set(found.depth_sd_um) <= {depth.sd}
    assert len(foci) > 0
    assert (out / "overview.png").read_bytes().startswith(b"\x89PNG")


def test_the_3d_view_needs_no_internet(reconstruct: Callable[[list[str]], Path]) -> None:
    page = (reconstruct(IMAGES) / "view.html").read_text()
    assert "layer 2, 38" in page
    assert 'src="http' not in page


def test_the_same_bytes_each_time(reconstruct: Callable[[list[str]], Path]) -> None:
    first = {path.name: path.read_bytes() for path in reconstruct(IMAGES).iterdir() if path.is_file()}
    second = {path.name: path.read_bytes() for path in reconstruct(IMAGES).iterdir() if path.is_file()}
    assert second == first


def test_quality_without_and_with_a_recalibration(
    reconstruct: Callable[..., Path], model: dict[str, str], psf: PSF, tmp_path: Path
) -> None:
    (row,) = pd.read_csv(reconstruct(IMAGES) / "quality.csv").to_dict("records")
    assert 0 < row["residual"] < 1
    assert row["flagged"] == "not available"
    assert "not available: the model has no recalibration" in (tmp_path / "reconstruct_sample.log").read_text()

    trained = load_model(model["model"], psf=psf, average_symmetries=False)
    rng = np.random.default_rng(0)
    masks = rng.random((12, 2, 51, 51)) > 0.8
    samples = Samples(
        layers=masks,
        masks=masks,
        measurements=rng.uniform(1, 2, (12, 2, 51, 51)),
        depths_um=rng.uniform(0, 1000, (12, 2)),
    )
    trust = TrustConfig(network="small", dataset="stack", n_samples=12, coverage=0.9, false_alarm_rate=0.05)
    recalibration = recalibrate_network(trained, samples, trust)
    recalibration.save(tmp_path / "c.json")
    out = reconstruct(IMAGES, (str(tmp_path / "c.json"),))
    (row,) = pd.read_csv(out / "quality.csv").to_dict("records")
    assert row["flagged"] == "yes"  # cells are not like the noise of this recalibration
    assert "OUT-OF-DISTRIBUTION: masks and depths are unreliable" in (tmp_path / "reconstruct_sample.log").read_text()
    raw = trained.predict(np.stack([tifffile.imread(path) for path in IMAGES])[None]).output
    np.testing.assert_allclose(
        tifffile.imread(out / "volume.ome.tif")[0], recalibration.probabilities(raw)[0], atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize(
    "write",
    [
        lambda path: tifffile.imwrite(path, np.eye(50, dtype=np.uint16)),
        lambda path: path.write_text("not an image"),
        lambda path: None,
    ],
    ids=["size", "format", "missing"],
)
def test_an_image_that_does_not_fit(reconstruct: Callable[[list[str]], Path], tmp_path: Path, write: Any) -> None:
    path = tmp_path / "mine.tif"
    write(path)
    with pytest.raises(SystemExit):
        reconstruct([IMAGES[0], str(path)])
    log = (tmp_path / "reconstruct_sample.log").read_text()
    assert f"{path}: " in log
    assert "expected" in log
    assert "Traceback" not in log
    assert list((tmp_path / "out").iterdir()) == []


def test_a_time_series(reconstruct: Callable[[list[str]], Path], tmp_path: Path) -> None:
    image = tifffile.imread(IMAGES)
    np.save(tmp_path / "series.npy", np.stack([image, np.zeros_like(image), image, image]))
    out = reconstruct([str(tmp_path / "series.npy")] * 2)
    with tifffile.TiffFile(out / "volume.ome.tif") as file:
        assert file.series[0].axes == "TCZYX"
        assert file.series[0].shape == (4, 2, 2, 51, 51)
        assert [np.isnan(frame).all() for frame in file.asarray()] == [False, True, False, False]
    assert "series.npy: frame 1: every pixel is 0" in pd.read_csv(out / "quality.csv")["note"][1]
    foci, tracks = pd.read_csv(out / "foci.csv"), pd.read_csv(out / "tracks" / "tracks.csv")
    assert sorted(foci["frame"].unique()) == [0, 2, 3]
    assert len(tracks) == len(foci)
    assert set(pd.read_csv(out / "tracks" / "summary.csv")["n_foci"]) == {1, 2}
    assert {path.name for path in (out / "tracks").iterdir()} == {"tracks.csv", "summary.csv", "tracks.png"}


def test_a_missing_sensor(reconstruct: Callable[[list[str]], Path], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        reconstruct(IMAGES[:1])
    assert "found 1 x 1 x 51 x 51; expected samples of 2 sensors" in (tmp_path / "reconstruct_sample.log").read_text()


def test_python_command_line_and_workflow_write_the_same_files(
    tmp_path: Path, psf: PSF, run_script: Callable[..., str]
) -> None:
    """A time series with tracks, by the released model, which is recalibrated."""
    path, released = tmp_path / "psf.h5", foci3d.released_model("one_sensor")
    psf.save(path)
    frames = np.array([tifffile.imread(ACQUISITIONS / f"{name}_a.tif") for name in ("clusters", "cells")])
    images = {"sensor_a": str(tmp_path / "series.npy")}
    np.save(images["sensor_a"], frames)
    gates = {"max_lateral_um": 110.0, "max_depth_um": 400.0}

    model = foci3d.load_model(released, psf=path)
    acquisition = foci3d.Acquisition(sample="acquisition", pixel_pitch_um=model.pixel_pitch_um, **images)
    result = foci3d.reconstruct_acquisition(acquisition, model, tracking=TrackingConfig(**gates, max_gap=0))
    foci3d.write_reconstruction(result, tmp_path / "python")

    options = {**images, "model": "one_sensor", "psf": str(path), "out": str(tmp_path / "command_line"), **gates}
    arguments = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    assert main(["reconstruct", *arguments]) == 0

    folder = tmp_path / "workflow"
    run_script(
        "reconstruct_sample",
        input={
            "model": str(released),
            "psf": str(path),
            "imager": [],
            "unmixing": [],
            "recalibration": [str(released.with_suffix(SUFFIX))],
        },
        output={"volume": str(folder / "volume.ome.tif"), "tracks": str(folder / "tracks")},
        params={
            "name": "acquisition",
            "acquisitions": [{"sample": "acquisition", "pixel_pitch_um": 55.0, **images}],
            "specimen": "layers",
            "n_layers": None,
            "threshold": 0.5,
            "conditioning": {"offset": True, "defects": True},
            "tracking": {**gates, "max_gap": 0},
            "inference": {"device": "auto", "average_symmetries": True},
            "unusable_frames": "refuse",
        },
        wildcards={"sample": "acquisition"},
    )
    contents = [
        {file.relative_to(way): file.read_bytes() for file in sorted(way.rglob("*")) if file.is_file()}
        for way in (tmp_path / "python", tmp_path / "command_line", folder)
    ]
    assert {str(file) for file in contents[0]} == {
        *("volume.ome.tif", "foci.csv", "foci.roi.zip", "quality.csv", "overview.png", "view.html"),
        *("tracks/tracks.csv", "tracks/summary.csv", "tracks/tracks.png"),
    }
    assert contents[0] == contents[1] == contents[2]
    probability = model.predict(frames[:, None]).output
    np.testing.assert_allclose(tifffile.imread(folder / "volume.ome.tif")[:, 0], probability, atol=1e-6)
    assert set(pd.read_csv(folder / "quality.csv")["flagged"]) <= {"yes", "no"}


@pytest.mark.parametrize(
    ("fit", "configured_um", "separation_um", "width"), [(None, 1000.0, 1040, 1.0), ("width", 1040.0, None, 1.0)]
)
def test_the_imager_is_aligned_from_single_cells(
    tmp_path: Path,
    run_script: Callable[..., str],
    fit: str | None,
    configured_um: float,
    separation_um: float | None,
    width: float,
) -> None:
    described_psf().save(tmp_path / "psf.h5")
    rows = []
    for seed in (0, 1):
        row = {"sample": f"beads{seed}", "pixel_pitch_um": 55.0}
        for letter, image in zip("ab", cells(seed, Imperfections(gain_b=0.8, separation_error_um=40)), strict=True):
            row[f"sensor_{letter}"] = str(tmp_path / f"{seed}{letter}.npy")
            np.save(row[f"sensor_{letter}"], image)
        rows.append(row)
    model = released_model("two_sensors")
    run_script(
        "align_imager",
        input={"model": str(model), "psf": str(tmp_path / "psf.h5"), "images": []},
        output={"imager": str(tmp_path / "imager.yaml")},
        params={
            "acquisitions": rows,
            "specimen": "cells",
            "fit": fit,
            "sensor_separation_um": configured_um,
            "device": "cpu",
        },
    )
    found = ImagerCorrection.load(tmp_path / "imager.yaml")
    assert found.gain_b.value == pytest.approx(0.8, abs=0.01)
    assert found.sensor_separation_um == (separation_um and pytest.approx(separation_um, abs=10))
    assert found.psf_width.value == pytest.approx(width, abs=0.01)
