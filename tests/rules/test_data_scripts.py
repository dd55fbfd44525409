"""The scripts of the datasets, run as Snakemake runs them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from foci3d.io import shards

RESOURCES = Path(__file__).parents[2] / "resources"
N_PIXELS = 51


@pytest.fixture(scope="session")
def psf_path(psf, tmp_path_factory):
    path = tmp_path_factory.mktemp("psf") / "psf.h5"
    psf.save(path)
    return path


@pytest.fixture
def run_rule(run_script, config, psf_path):
    """Run a rule that writes a shard of a dataset."""

    def run(rule, path, name, *, shard=0, split="test", source=None, params):
        run_script(
            rule,
            input={"psf": str(psf_path), **(source or {})},
            output={"samples": path},
            params={
                "dataset_config": config.datasets[name].model_dump(mode="json"),
                "imager": config.imager.model_dump(mode="json"),
                "code": "abc",
                **params,
            },
            wildcards={"dataset": name, "split": split, "shard": str(shard)},
            config={"seed": 7},
        )
        return path

    return run


@pytest.fixture
def params(config):
    """Params of a synthetic dataset without the effects of specimen, light and sensor."""
    effects = {key: {} for key in ("specimen", "illumination", "sensor")}
    scenes = [config.appearances["paper"].model_dump(mode="json")]
    return {"scenes": scenes, **effects, "psf_width_relative_sd": 0.0, "seed": 7}


@pytest.fixture
def synthesize(run_rule, params):
    def run(folder, name, *, shard=0, n_shards=1, n_samples=8, split="test", **effects):
        path = folder / f"{split}-{shard}.h5"
        given = {**params, **effects, "n_samples": {split: n_samples}, "n_shards": n_shards}
        run_rule("synthesize_shard", [path], name, shard=shard, split=split, params=given)
        return path

    return run


@pytest.mark.parametrize("name", ["depth", "deblur", "nonoverlap", "stack1", "stack2", "moving"])
def test_synthesize_shard_writes_the_documented_arrays(synthesize, psf, config, tmp_path, name):
    dataset = config.datasets[name]
    path = synthesize(tmp_path, name)
    samples = shards.read_shards([path])
    assert samples.layers.shape == samples.masks.shape == (8, dataset.n_layers, N_PIXELS, N_PIXELS)
    assert samples.measurements.shape == (8, dataset.n_sensors, N_PIXELS, N_PIXELS)
    assert samples.arrays().keys() >= {"sequence", "step", "cluster"} or name != "moving"
    assert samples.index.tolist() == list(range(8))
    assert np.isfinite(samples.measurements).all()
    attributes = shards.read_attributes(path)
    assert attributes["psf"] == psf.digest
    assert (attributes["dataset"], attributes["split"], attributes["shard"], attributes["seed"]) == (name, "test", 0, 7)


@pytest.mark.parametrize("name", ["stack1", "moving"])
def test_content_does_not_depend_on_the_number_of_shards(synthesize, tmp_path, name):
    whole = shards.read_shards([synthesize(tmp_path / "one", name, n_samples=24)]).arrays()
    parts = [synthesize(tmp_path / "three", name, shard=shard, n_shards=3, n_samples=24) for shard in range(3)]
    joined = shards.read_shards(parts).arrays()
    assert all(np.array_equal(whole[key], joined[key]) for key in whole)


def test_splits_of_one_job_are_those_of_two(synthesize, run_rule, params, tmp_path):
    splits = {"train": 8, "validation": 5}
    alone = [synthesize(tmp_path / "alone", "stack1", split=name, n_samples=n) for name, n in splits.items()]
    paths = [tmp_path / "together" / f"{name}.h5" for name in splits]
    run_rule("synthesize_shard", paths, "stack1", params={**params, "n_samples": splits, "n_shards": 1})
    for one, other in zip(alone, paths, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_absorption_changes_measurements_only(synthesize, tmp_path):
    plain = shards.read_shards([synthesize(tmp_path / "off", "stack2")])
    dimmed = shards.read_shards([synthesize(tmp_path / "on", "stack2", specimen={"absorption_per_mm": 0.5})])
    np.testing.assert_array_equal(plain.layers, dimmed.layers)
    assert 0.5 < dimmed.measurements.mean() / plain.measurements.mean() < 0.9


def write_authors_file(path, depths_mm=(0.11, 0.37, 0.6, 0.86)):
    rng = np.random.default_rng(0)
    depths = np.tile(depths_mm, (3, 1))
    variables = {
        "tumorImage_noPSF": rng.random((3, 4, N_PIXELS, N_PIXELS)),
        "tumorImage_withPSF_A": rng.random((3, N_PIXELS, N_PIXELS)),
        "tumorImage_withPSF_B": rng.random((3, N_PIXELS, N_PIXELS)),
        "depth_map": (rng.random((3, 4, N_PIXELS, N_PIXELS)) < 0.3) * depths[..., None, None],
        "zdist_PSF": depths,
    }
    savemat(path, variables)
    return variables


def test_import_mat_writes_a_shard_of_the_authors_file(run_rule, psf, tmp_path):
    mat = tmp_path / "authors.mat"
    variables = write_authors_file(mat)
    path = run_rule(
        "import_mat", tmp_path / "shard.h5", "stack2", shard=2, split="train", source={"mat": str(mat)}, params={}
    )
    arrays = shards.read_shards([path])
    np.testing.assert_allclose(arrays.layers, variables["tumorImage_noPSF"], rtol=1e-6)
    np.testing.assert_allclose(arrays.depths_um, 1000 * variables["zdist_PSF"], rtol=1e-6)
    attributes = shards.read_attributes(path)
    assert (attributes["source"], attributes["split"], attributes["shard"]) == ("authors.mat", "train", 2)
    assert attributes["psf"] == psf.digest


def test_import_mat_fails_with_one_line_and_no_shard(run_rule, tmp_path, caplog):
    mat = tmp_path / "authors.mat"
    write_authors_file(mat, depths_mm=(0.86, 0.6, 0.37, 0.11))
    with pytest.raises(SystemExit):
        run_rule("import_mat", tmp_path / "shard.h5", "stack2", split="train", source={"mat": str(mat)}, params={})
    (record,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert "authors.mat: the layers of sample 1 are not in order" in record.message
    assert record.exc_info is None
    assert not (tmp_path / "shard.h5").exists()


@pytest.fixture
def cut_slides(run_rule, config, tmp_path):
    def run(**slides):
        params = {
            "slides": config.slides.model_copy(update=slides).model_dump(mode="json"),
            **{key: {} for key in ("specimen", "illumination", "sensor")},
            "psf_width_relative_sd": 0.0,
            "seed": 7,
        }
        source = {"nuclei": str(RESOURCES / "cells" / "human_mitosis.tif")}
        return run_rule("cut_slides", tmp_path / "test-0.h5", "slides", source=source, params=params)

    return run


@pytest.mark.parametrize("image", ["human_mitosis", "ihc"])
def test_cut_slides_writes_stacks_of_real_images(cut_slides, image):
    path = cut_slides(image=image, n_stacks=3)
    arrays = shards.read_shards([path])
    assert arrays.layers.shape == (3, 4, N_PIXELS, N_PIXELS)
    assert arrays.measurements.shape == (3, 2, N_PIXELS, N_PIXELS)
    attributes = shards.read_attributes(path)
    assert (attributes["source"], attributes["dataset"], attributes["split"]) == (image, "slides", "test")


def test_cut_slides_explains_an_image_that_is_too_small(cut_slides, caplog):
    with pytest.raises(SystemExit):
        cut_slides(binning=4)
    (record,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert "slides.n_stacks is 6; expected at most 1" in record.message


def test_statistics_and_figure_of_scenes(run_script, synthesize, tmp_path):
    paths = [
        synthesize(tmp_path, "stack2", shard=shard, n_shards=2, n_samples=24, split="validation") for shard in range(2)
    ]
    layers, statistics, png, svg = (tmp_path / name for name in ("layers.csv", "statistics.csv", "a.png", "a.svg"))
    run_script(
        "fig_scenes",
        input={"shards": [str(path) for path in paths], "published": str(RESOURCES / "published_sample.csv")},
        output={"statistics": str(statistics), "layers": str(layers), "figure": [str(png), str(svg)]},
        params={"code": "abc"},
    )
    table = pd.read_csv(statistics).set_index("statistic")
    assert len(pd.read_csv(layers)) == 24 * 4
    assert (table["n"] == 24 * 4).all()
    assert table.loc["intensity_cv", "mean"] == pytest.approx(0.78, abs=0.02)
    assert table.loc["coverage", "published_high"] == 0.51
    assert png.read_bytes().startswith(b"\x89PNG")
    assert all(f"<!-- {words} -->" in svg.read_text() for words in ("sensor B", "published"))


@pytest.fixture
def compute_bounds(run_script, synthesize, psf_path, tmp_path):
    def run(sensor):
        depth, stack = (
            synthesize(tmp_path / name, name, n_samples=32, split="validation", sensor=sensor or {})
            for name in ("depth", "stack2")
        )
        output = {"depth": tmp_path / "depth.csv", "layers": tmp_path / "layers.csv"}
        run_script(
            "compute_bounds",
            input={"psf": str(psf_path), "depth_shards": [str(depth)], "stack_shards": [str(stack)]},
            output={name: str(path) for name, path in output.items()},
            params={
                "specimen": None if sensor is None else {},
                "sensor": sensor,
                "class_width_um": 100,
                "sensor_separation_um": 1000,
                "power_snr": 1e4,
                "code": "abc",
            },
        )
        return pd.read_csv(output["depth"]), pd.read_csv(output["layers"])

    return run


@pytest.mark.parametrize("sensor", [None, {}], ids=["imported", "noise-free"])
def test_data_without_noise_have_no_depth_bound(compute_bounds, sensor):
    depth, layers = compute_bounds(sensor)
    assert depth.columns.tolist() == ["depth_um", "deviation_um", "class_accuracy"]
    assert depth.empty
    assert layers["layer"].tolist() == [1, 2, 3, 4]
    assert 1 < layers["linear_share"].sum() < 2


def test_depth_bound_is_that_of_the_noise_of_the_sensors(compute_bounds):
    bright, _ = compute_bounds({"full_well_electrons": 1e6})
    dim, _ = compute_bounds({"full_well_electrons": 1e4})
    assert bright["depth_um"].between(50, 1950).all()
    assert (bright["deviation_um"] < dim["deviation_um"]).all()
    assert (bright["class_accuracy"] >= dim["class_accuracy"]).all()
    # Far layers are the harder ones.
    assert dim["deviation_um"].iloc[-1] > dim["deviation_um"].iloc[0]
