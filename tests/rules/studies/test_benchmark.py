"""The benchmark: fingerprints of datasets, and what is refused of an entry."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from predicted import make_predictions
from summaries import stack

from foci3d.config.tasks import DEBLURRING, DEPTH_CLASS, DEPTH_MAP, MASKS
from foci3d.errors import InputError
from foci3d.evaluation.tables import read_summaries
from foci3d.io.samples import NumpySamples, Samples
from frozen_datasets import FrozenDataset, benchmark_page, read_frozen, require_frozen
from import_predictions import check_entry, read_entry

PROJECT = Path(__file__).parents[3]
SHAPE = (3, 4, 6, 6)


@pytest.fixture
def samples() -> NumpySamples:
    rng = np.random.default_rng(0)
    return Samples(
        layers=rng.random(SHAPE, np.float32),
        masks=rng.integers(2, size=SHAPE, dtype=np.uint8),
        measurements=rng.random((3, 2, 6, 6), np.float32),
        depths_um=np.sort(rng.uniform(0, 1000, (3, 4)).astype(np.float32), 1),
    )


@pytest.fixture
def entry(samples) -> dict[str, np.ndarray]:
    return {"output": np.full(SHAPE, 0.3), "depths_um": samples.depths_um}


def check(entry, samples, spec=MASKS, shape=SHAPE):
    check_entry("mine.npz", entry, spec, samples.depths_um, shape, 1000.0)


def flip_one_mask(samples):
    masks = samples.masks.copy()
    masks[0, 0, 0, 0] ^= 1
    return replace(samples, masks=masks)


def reorder_samples(samples):
    return replace(samples, depths_um=samples.depths_um[::-1])


def sharpen_measurements(samples):
    mean = samples.measurements.mean()
    return replace(samples, measurements=mean + 1.0001 * (samples.measurements - mean))


def scale_layers(samples):
    return replace(samples, layers=1.0001 * samples.layers)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (flip_one_mask, "masks"),
        (reorder_samples, "depths_um"),
        (sharpen_measurements, "sensors"),
        (scale_layers, "layers"),
    ],
)
def test_any_change_of_a_dataset_is_refused(samples, change, name):
    frozen = {"stack2": FrozenDataset.from_samples("masks", samples)}
    assert require_frozen(frozen, "stack2", samples) == frozen["stack2"]
    samples = change(samples)
    with pytest.raises(InputError, match=f"dataset stack2 is not the frozen one of the benchmark, as {name} of its"):
        require_frozen(frozen, "stack2", samples)


def test_rounding_of_measurements_is_accepted(samples):
    frozen = {"stack2": FrozenDataset.from_samples("masks", samples)}
    rounded = np.nextafter(samples.measurements, np.float32(2))
    require_frozen(frozen, "stack2", replace(samples, measurements=rounded))


def test_fewer_samples_and_unknown_datasets_are_refused(samples):
    frozen = {"stack2": FrozenDataset.from_samples("masks", samples)}
    with pytest.raises(InputError, match="n_samples, masks"):
        require_frozen(frozen, "stack2", samples[:2])
    with pytest.raises(InputError, match="dataset slides is not part of the benchmark; expected one of stack2"):
        require_frozen(frozen, "slides", samples)


def test_frozen_datasets_are_those_of_the_configuration(config):
    frozen = read_frozen(PROJECT / "resources" / "benchmark.yaml")
    tasks = {(network.dataset, network.task) for network in config.networks.values()} | {("moving", "masks")}
    assert {(name, dataset.task) for name, dataset in frozen.items()} <= tasks
    assert len(frozen) == 6
    for name, dataset in frozen.items():
        moving = config.n_samples.sequences * config.datasets[name].n_layers
        assert dataset.n_samples == (moving if name == "moving" else config.n_samples.test)


def test_both_kinds_of_files_are_read(entry, tmp_path):
    np.savez(tmp_path / "mine.npz", **entry, more=np.ones(2))
    make_predictions("masks", **entry, target=entry["output"]).save(tmp_path / "mine.h5")
    for name in ("mine.npz", "mine.h5"):
        read = read_entry(tmp_path / name)
        assert set(read) == {"output", "depths_um"}
        np.testing.assert_array_equal(read["output"], entry["output"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depths_um": np.zeros((3, 4))}, "not those of the test samples"),
        ({"depths_um": np.zeros((2, 4))}, r"depths_um \(2, 4\) are not those of the test samples \(3, 4\)"),
        ({"output": np.zeros((3, 4, 6, 5))}, r"shape \(3, 4, 6, 5\) and type float64; expected \(3, 4, 6, 6\)"),
        ({"output": np.zeros(SHAPE, int)}, "type int64; expected"),
        ({"output": np.full(SHAPE, 1.5)}, "values from 1.5 to 1.5; expected finite numbers from 0 to 1 for the task"),
        ({"output": np.full(SHAPE, -0.1)}, "expected finite numbers from 0 to 1"),
        ({"output": np.full(SHAPE, np.nan)}, "expected finite numbers"),
    ],
)
def test_wrong_entries_are_refused(entry, samples, change, message):
    check(entry, samples)
    with pytest.raises(InputError, match=f"mine.npz: .*{message}"):
        check({**entry, **change}, samples)


def test_the_range_depends_on_the_task(entry, samples):
    check({**entry, "output": np.full(SHAPE, -5.0)}, samples, DEBLURRING)
    check({**entry, "output": np.full(SHAPE, 999.0)}, samples, DEPTH_MAP)
    with pytest.raises(InputError, match="from 0 to 1000"):
        check({**entry, "output": np.full(SHAPE, 1001.0)}, samples, DEPTH_MAP)


def test_probabilities_of_depths_must_sum_to_one(entry, samples):
    check({**entry, "output": np.full((3, 5), 0.2)}, samples, DEPTH_CLASS, (3, 5))
    with pytest.raises(InputError, match=r"sums from 1.5 to 1.5 over the depths"):
        check({**entry, "output": np.full((3, 5), 0.3)}, samples, DEPTH_CLASS, (3, 5))


def test_the_page_sorts_entries_and_shows_intervals():
    rows = [stack("ours", "stack2", [0.1] * 4).assign(kind="network"), stack("mine", "stack2", [0.05] * 4)]
    page = benchmark_page(pd.concat(rows).fillna({"kind": "entry"}))
    (section,) = page.sections.values()
    assert section["network"].tolist() == ["mine", "ours", "majority class"]
    assert section.loc[0, "Mean"] == "5 (4 to 6)"
    assert page.title == "Benchmark"


def test_the_page_of_present_entries_is_up_to_date():
    page = benchmark_page(read_summaries([PROJECT / "resources" / "benchmark_scores.csv"]))
    caption = (PROJECT / "workflow" / "studies" / "benchmark" / "benchmark.rst").read_text()
    note = "\n\n".join(" ".join(paragraph.split()) for paragraph in caption.split("\n\n"))
    written = (PROJECT / "docs" / "results" / "benchmark.md").read_text()
    assert written == page.markdown(note), "copy tables/benchmark.md of `snakemake benchmark`"
