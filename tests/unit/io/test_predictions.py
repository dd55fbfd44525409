from pathlib import Path

import h5py
import numpy as np
import pytest
from predicted import arrays_of, make_predictions

from foci3d.errors import InputError
from foci3d.io import hdf5
from foci3d.io.predictions import SAMPLE_LABELS, Predictions

SAMPLE_LABELS_OF_ALL = {name: SAMPLE_LABELS[name] for name in ("measurements", "layers", "masks", "depths_um")}


def predictions_of(task: str = "masks", **arrays: np.ndarray) -> Predictions:
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (3, 4, 5, 5)).astype(np.float32)
    arrays = {"output": rng.random((3, 4, 5, 5), np.float32), "target": masks, "sequence": np.arange(3), **arrays}
    return make_predictions(task, network="stack2_cnn", dataset="moving", attributes={"parameters": 7}, **arrays)


def labels(path: Path) -> dict[str, tuple[str, str]]:
    with h5py.File(path) as file:
        return {name: (data.attrs["axes"].decode(), data.attrs["unit"].decode()) for name, data in file.items()}


def test_load_gives_what_was_saved(tmp_path: Path) -> None:
    saved = predictions_of()
    saved.save(tmp_path / "a.h5")
    loaded = Predictions.load(tmp_path / "a.h5")
    assert (loaded.network, loaded.dataset, loaded.task) == ("stack2_cnn", "moving", "masks")
    assert loaded.attributes == {"parameters": 7}
    assert set(arrays_of(loaded)) == set(arrays_of(saved))
    for name, values in arrays_of(saved).items():
        np.testing.assert_array_equal(arrays_of(loaded)[name], values)


def test_arrays_have_axes_and_units(tmp_path: Path) -> None:
    depth_maps = np.ones((3, 1, 5, 5), np.float32)
    predictions_of("depth_map", output=depth_maps, target=depth_maps).save(tmp_path / "a.h5")
    assert labels(tmp_path / "a.h5") == SAMPLE_LABELS_OF_ALL | {
        "output": ("sample channel y x", "um"),
        "target": ("sample channel y x", "um"),
        "sequence": ("sample", "1"),
    }


def test_task_of_a_user_has_its_own_error(tmp_path: Path) -> None:
    counts = np.ones((3, 2), np.float32)
    predictions_of("depth_coverage", output=counts, target=counts, error=np.zeros(3)).save(tmp_path / "a.h5")
    assert labels(tmp_path / "a.h5") == SAMPLE_LABELS_OF_ALL | {
        "output": ("sample value", "1"),
        "target": ("sample value", "1"),
        "error": ("sample", "1"),
        "sequence": ("sample", "1"),
    }


def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    hdf5.write(tmp_path / "a.h5", hdf5.FileFormat("foci3d-shard", 2), {}, {})
    with pytest.raises(InputError, match="expected a file of kind foci3d-predictions version 3, found kind foci3d-sh"):
        Predictions.load(tmp_path / "a.h5")
