"""A large field resumes with the tiles that were predicted before an interruption."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from foci3d.learning.model import Model
from foci3d.learning.model_file import ModelDescription
from foci3d.reconstruction import tiles
from foci3d.reconstruction.resumable import ResumableModel
from foci3d.reconstruction.volume import reconstruct

FIELD = np.random.default_rng(1).uniform(1, 2, (2, 40, 29)).astype(np.float32)


def limited(predict_all: Callable[..., object], n_batches: int, sizes: list[int]) -> Callable[..., object]:
    """`Model.predict_all`, which is interrupted after some batches, whose sizes it appends."""

    def predict(model: Model, measurements: np.ndarray) -> object:
        if len(sizes) == n_batches:
            raise KeyboardInterrupt
        sizes.append(len(measurements))
        return predict_all(model, measurements)

    return predict


@pytest.mark.parametrize("task", ["masks", "counted_stacks"])
def test_only_what_is_missing_is_predicted(
    task: str, model_description: ModelDescription, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = {"masks": {}, "counted_stacks": {"out_channels": 22}}[task]
    description = model_description.model_copy(update={"task": task, **channels})
    torch.manual_seed(0)
    model = Model(description.build_network().eval(), description)
    monkeypatch.setattr(tiles, "BATCH_SIZE", 5)
    predict_all = Model.predict_all
    runs: list[list[int]] = [[], [], []]
    monkeypatch.setattr(Model, "predict_all", limited(predict_all, 100, runs[0]))
    whole = reconstruct(FIELD, model)
    kept = ResumableModel.of(model, tmp_path / "tiles")
    monkeypatch.setattr(Model, "predict_all", limited(predict_all, 2, runs[1]))
    with pytest.raises(KeyboardInterrupt):
        reconstruct(FIELD, kept)
    monkeypatch.setattr(Model, "predict_all", limited(predict_all, 100, runs[2]))
    resumed = reconstruct(FIELD, kept)
    assert len(runs[1]) == 2
    assert runs[1] + runs[2] == runs[0]
    np.testing.assert_array_equal(resumed.probability, whole.probability)
    assert resumed.depths_um == whole.depths_um
    kept.forget()
    assert not (tmp_path / "tiles").exists()


def test_another_model_predicts_again(model_description: ModelDescription, tmp_path: Path) -> None:
    models = []
    for separation in (1.0, 1.5):
        torch.manual_seed(0)
        network = model_description.build_network().eval()
        models.append(ResumableModel.of(Model(network, model_description, depth_scale=separation), tmp_path))
    for n_files, model in enumerate(models, 1):
        model.predict_all(FIELD[None, :, :13, :13])
        assert len([*tmp_path.iterdir()]) == n_files
