import re
from pathlib import Path

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


@pytest.mark.parametrize("name", ["stack1", "moving"])
def test_number_of_shards_changes_no_content(run_script, psf, tmp_path, name):
    whole = shards.read_shards([synthesize(run_script, psf, tmp_path / "one", name, samples=24)])
    parts = [synthesize(run_script, psf, tmp_path / "three", name, shard, 3, samples=24) for shard in range(3)]
    joined = shards.read_shards(parts)
    assert all(np.array_equal(whole[key], joined[key]) for key in whole)


def test_tissue_reaches_the_pictures(run_script, psf, tmp_path):
    plain = shards.read_shards([synthesize(run_script, psf, tmp_path / "off", "stack2")])
    dimmed = shards.read_shards(
        [synthesize(run_script, psf, tmp_path / "on", "stack2", tissue={"absorption_per_mm": 0.5})]
    )
    np.testing.assert_array_equal(plain["layers"], dimmed["layers"])
    assert 0.5 < dimmed["sensors"].mean() / plain["sensors"].mean() < 0.9


def authors_file(path, depths_mm=(0.11, 0.37, 0.6, 0.86)):
    rng = np.random.default_rng(0)
    depths = np.tile(depths_mm, (3, 1))
    variables = {
        "tumorImage_noPSF": rng.random((3, 4, PIXELS, PIXELS)),
        "tumorImage_withPSF_A": rng.random((3, PIXELS, PIXELS)),
        "tumorImage_withPSF_B": rng.random((3, PIXELS, PIXELS)),
        "depth_map": (rng.random((3, 4, PIXELS, PIXELS)) < 0.3) * depths[..., None, None],
        "zdist_PSF": depths,
    }
    savemat(path, variables)
    return variables


def import_mat(run_script, psf, folder, mat):
    path = folder / "shard.h5"
    run_script(
        "import_mat",
        input={"psf": str(psf), "mat": str(mat)},
        output={"shard": str(path)},
        params={"entry": CONFIG["sets"]["stack2"], "imager": CONFIG["imager"], "code": "abc"},
        wildcards={"set": "authors", "split": "train", "shard": "2"},
    )
    return path


def test_import_mat_makes_a_shard_of_the_authors_file(run_script, psf, tmp_path):
    mat = tmp_path / "authors.mat"
    variables = authors_file(mat)
    path = import_mat(run_script, psf, tmp_path, mat)
    arrays = shards.read_shards([path])
    np.testing.assert_allclose(arrays["layers"], variables["tumorImage_noPSF"], rtol=1e-6)
    np.testing.assert_allclose(arrays["depths_um"], 1000 * variables["zdist_PSF"], rtol=1e-6)
    attributes = shards.read_attributes(path)
    assert (attributes["source"], attributes["split"], attributes["shard"]) == ("authors.mat", "train", 2)
    assert attributes["psf"] == optics.Psf.load(psf).digest


def test_import_mat_ends_with_one_sentence_and_no_shard(run_script, psf, tmp_path, caplog):
    mat = tmp_path / "authors.mat"
    authors_file(mat, depths_mm=(0.86, 0.6, 0.37, 0.11))
    with pytest.raises(SystemExit):
        import_mat(run_script, psf, tmp_path, mat)
    (record,) = caplog.records
    assert "authors.mat: the layers of sample 1 are not in order" in record.message
    assert record.exc_info is None
    assert not (tmp_path / "shard.h5").exists()


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
