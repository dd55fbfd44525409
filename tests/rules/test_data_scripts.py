import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import skimage.data
import torch
import yaml
from scipy.io import savemat

from foci3d import optics, shards

PROJECT = Path(__file__).parents[2]
RESOURCES = PROJECT / "resources"
CONFIG = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
PIXELS = CONFIG["imager"]["pixels"]


@pytest.fixture(scope="session")
def psf(tmp_path_factory):
    """A coarse PSF: kernels that widen with depth as the imager's do."""
    path = tmp_path_factory.mktemp("psf") / "psf.h5"
    depths_um = torch.linspace(0, 2000, 11)
    kernels = optics.acceptance_kernels(optics.Acceptance(36.0, 20.0, 1.0), depths_um, PIXELS, 55.0)
    optics.Psf(kernels.float(), depths_um, 55.0, {"source": "test"}).save(path)
    return path


def synthesize(run_script, psf, folder, name, shard=0, shard_count=1, samples=8, split="test", tissue=None):
    path = folder / f"{split}-{shard}.h5"
    run_script(
        "synthesize_shard",
        input={"psf": str(psf)},
        output={"shard": str(path)},
        params={
            "entry": CONFIG["sets"][name],
            "scene": CONFIG["scene"],
            "tissue": {**CONFIG["tissue"], **(tissue or {})},
            "imager": CONFIG["imager"],
            "samples": samples,
            "shards": shard_count,
            "seed": 7,
            "code": "abc",
        },
        wildcards={"set": name, "split": split, "shard": str(shard)},
    )
    return path


@pytest.mark.parametrize("name", ["depth", "deblur", "nonoverlap", "stack1", "stack2", "moving"])
def test_synthesize_shard_writes_documented_arrays(run_script, psf, tmp_path, name):
    entry = CONFIG["sets"][name]
    path = synthesize(run_script, psf, tmp_path, name)
    arrays = shards.read_shards([path])
    expected = shards.layouts(8, entry["layers"], len(entry["sensors"]), PIXELS, name == "moving")
    assert {key: (value.shape, value.dtype) for key, value in arrays.items()} == {
        key: (layout.shape, np.dtype(layout.dtype)) for key, layout in expected.items()
    }
    assert arrays["index"].tolist() == list(range(8))
    assert np.isfinite(arrays["sensors"]).all()
    attributes = shards.read_attributes(path)
    assert attributes["psf"] == optics.Psf.load(psf).digest
    assert (attributes["set"], attributes["split"], attributes["shard"], attributes["seed"]) == (name, "test", 0, 7)


def import_mat(run_script, psf, folder, mat, entry=CONFIG["sets"]["stack2"]):
    path = folder / "shard.h5"
    log = run_script(
        "import_mat",
        input={"psf": str(psf), "mat": str(mat)},
        output={"shard": str(path)},
        params={"entry": entry, "imager": CONFIG["imager"], "code": "abc"},
        wildcards={"set": "authors", "split": "train", "shard": "2"},
    )
    return path, log


def authors_file(path, change=lambda variables: variables, samples=3):
    """A file as the authors' README describes it, in mm and in MATLAB's double precision."""
    rng = np.random.default_rng(0)
    depths_mm = np.array([0.11, 0.37, 0.6, 0.86]) + rng.uniform(0, 0.01, (samples, 4))
    masks = rng.random((samples, 4, PIXELS, PIXELS)) < 0.3
    variables = {
        "tumorImage_noPSF": rng.random((samples, 4, PIXELS, PIXELS)),
        "tumorImage_withPSF_A": rng.random((samples, PIXELS, PIXELS)),
        "tumorImage_withPSF_B": rng.random((samples, PIXELS, PIXELS)),
        "depth_map": masks * depths_mm[..., None, None],
        "zdist_PSF": depths_mm,
    }
    savemat(path, change(dict(variables)))
    return variables


def save_v73(path, variables):
    """Write what MATLAB writes as version 7.3: HDF5 with the axes in reverse, behind a header of 512 bytes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in variables.items():
            file.create_dataset(name, data=values.T).attrs["MATLAB_class"] = np.bytes_("double")
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    with path.open("r+b") as file:
        file.write(header)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("version", ["5", "7.3"])
def test_import_mat_reads_both_versions(run_script, psf, tmp_path, version, samples):
    mat = tmp_path / "authors.mat"
    variables = authors_file(mat, samples=samples)
    if version == "7.3":
        save_v73(mat, variables)
    path, _ = import_mat(run_script, psf, tmp_path, mat)
    arrays = shards.read_shards([path])
    np.testing.assert_allclose(arrays["layers"], variables["tumorImage_noPSF"], rtol=1e-6)
    np.testing.assert_allclose(arrays["sensors"][:, 0], variables["tumorImage_withPSF_A"], rtol=1e-6)
    np.testing.assert_allclose(arrays["sensors"][:, 1], variables["tumorImage_withPSF_B"], rtol=1e-6)
    np.testing.assert_array_equal(arrays["masks"], variables["depth_map"] > 0)
    np.testing.assert_allclose(arrays["depths_um"], 1000 * variables["zdist_PSF"], rtol=1e-6)
    assert arrays["index"].tolist() == list(range(samples))
    attributes = shards.read_attributes(path)
    assert (attributes["source"], attributes["split"], attributes["shard"]) == ("authors.mat", "train", 2)


def test_import_mat_accepts_micrometres_and_one_sensor(run_script, psf, tmp_path):
    mat = tmp_path / "authors.mat"

    def in_micrometres(variables):
        del variables["tumorImage_withPSF_B"]
        return variables | {name: 1000 * variables[name] for name in ("zdist_PSF", "depth_map")}

    variables = authors_file(mat, in_micrometres)
    path, _ = import_mat(run_script, psf, tmp_path, mat, CONFIG["sets"]["stack1"])
    arrays = shards.read_shards([path])
    np.testing.assert_allclose(arrays["depths_um"], 1000 * variables["zdist_PSF"], rtol=1e-6)
    assert arrays["sensors"].shape == (3, 1, PIXELS, PIXELS)


def without(name):
    return lambda variables: {key: value for key, value in variables.items() if key != name}


def changed(name, function):
    return lambda variables: variables | {name: function(variables[name])}


def with_nan(values):
    values = values.copy()
    values[1].flat[5] = np.nan
    return values


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("depth_map"), "there is no variable depth_map; expected tumorImage_noPSF, .*zdist_PSF"),
        (
            changed("tumorImage_noPSF", lambda v: v[:, :3]),
            "the shape of tumorImage_noPSF is 3 x 3 x 51 x 51; expected 3 x",
        ),
        (changed("tumorImage_noPSF", lambda v: v.transpose(2, 3, 1, 0)), "expected 51 x 4 x 51 x 51 .samples first"),
        (changed("zdist_PSF", lambda v: v[:2]), "the shape of zdist_PSF is 2 x 4; expected 3 x 4"),
        (changed("tumorImage_noPSF", lambda v: v[:0]), "tumorImage_noPSF is empty"),
        (changed("tumorImage_withPSF_B", with_nan), "tumorImage_withPSF_B has a value that is not finite in sample 2"),
        (changed("zdist_PSF", lambda v: v[:, ::-1]), "the layers of sample 1 are not in order"),
        (
            changed("zdist_PSF", lambda v: 20 * v),
            "zdist_PSF goes from 2.3.* to 17.*; expected depths from 0 to 1000 um, or 0",
        ),
        (changed("depth_map", lambda v: v / 2), "depth_map of sample . holds other depths than zdist_PSF"),
    ],
)
def test_import_mat_explains_what_does_not_fit(run_script, psf, tmp_path, caplog, change, message):
    mat = tmp_path / "authors.mat"
    authors_file(mat, change)
    with pytest.raises(SystemExit):
        import_mat(run_script, psf, tmp_path, mat)
    (record,) = caplog.records
    assert re.search(rf"authors.mat: .*{message}", record.message)
    assert record.exc_info is None
    assert not (tmp_path / "shard.h5").exists()


@pytest.mark.parametrize(
    "content", [b"", b"no MATLAB file at all, but text" * 20, b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + b"x" * 99]
)
def test_import_mat_refuses_other_files(run_script, psf, tmp_path, caplog, content):
    mat = tmp_path / "authors.mat"
    mat.write_bytes(content)
    with pytest.raises(SystemExit):
        import_mat(run_script, psf, tmp_path, mat)
    (record,) = caplog.records
    assert "authors.mat: not a readable MATLAB file" in record.message
    assert record.exc_info is None


def cut_slides(run_script, psf, folder, **slide):
    path = folder / "test-0.h5"
    run_script(
        "cut_slides",
        input={"psf": str(psf)},
        output={"shard": str(path)},
        params={
            "entry": CONFIG["sets"]["slides"],
            "slides": {**CONFIG["slides"], **slide},
            "tissue": CONFIG["tissue"],
            "imager": CONFIG["imager"],
            "seed": 7,
            "code": "abc",
        },
        wildcards={"set": "slides"},
    )
    return path


def test_cut_slides_makes_stacks_of_real_pictures(run_script, psf, tmp_path):
    path = cut_slides(run_script, psf, tmp_path, stacks=3)
    arrays = shards.read_shards([path])
    assert arrays["layers"].shape == (3, 4, PIXELS, PIXELS)
    assert arrays["sensors"].shape == (3, 2, PIXELS, PIXELS)
    attributes = shards.read_attributes(path)
    assert (attributes["source"], attributes["set"], attributes["split"]) == ("ihc", "slides", "test")


@pytest.mark.parametrize(
    ("slide", "message"),
    [
        ({"microscope_pixels": 8}, "room for 1 crops of 51 x 51; expected at least 4, lower it"),
        ({"picture": "human_mitosis"}, "human_mitosis could not be fetched .*choose ihc"),
    ],
)
def test_cut_slides_explains_what_is_missing(run_script, psf, tmp_path, caplog, monkeypatch, slide, message):
    def unreachable():
        raise ConnectionError("no network")

    monkeypatch.setattr(skimage.data, "human_mitosis", unreachable, raising=False)
    with pytest.raises(SystemExit):
        cut_slides(run_script, psf, tmp_path, **slide)
    (record,) = caplog.records
    assert re.search(f"slides.*{message}", record.message)


def test_statistics_and_figure_of_scenes(run_script, psf, tmp_path):
    paths = [synthesize(run_script, psf, tmp_path, "stack2", shard, 2, 24, split="validation") for shard in range(2)]
    layers, statistics = tmp_path / "layers.csv", tmp_path / "statistics.csv"
    run_script(
        "scene_statistics",
        input={"shards": [str(path) for path in paths], "published": str(RESOURCES / "published_sample.csv")},
        output={"statistics": str(statistics), "layers": str(layers)},
        params={"code": "abc"},
    )
    table = pd.read_csv(statistics).set_index("statistic")
    assert len(pd.read_csv(layers)) == 24 * 4
    assert (table["n"] == 24 * 4).all()
    assert table.loc["intensity_cv", "mean"] == pytest.approx(0.78, abs=0.02)
    assert table.loc["coverage", "published_high"] == 0.51
    figure = {"fig_scenes": tmp_path / "scenes.png", "fig_scenes_svg": tmp_path / "scenes.svg"}
    run_script(
        "fig_scenes",
        input={"shards": [str(path) for path in paths], "layers": str(layers), "statistics": str(statistics)},
        output={name: str(path) for name, path in figure.items()},
        params={"code": "abc"},
    )
    assert figure["fig_scenes"].read_bytes().startswith(b"\x89PNG")
    drawn = figure["fig_scenes_svg"].read_text()
    assert all(f"<!-- {words} -->" in drawn for words in ("sensor B", "background: sd / mean", "published"))
