"""Records of arrays: fields that are missing stay so, and rows and functions reach all others."""

import numpy as np
import torch

from foci3d.io.samples import Outputs, Samples, Scenes


def test_rows_and_functions_reach_every_array() -> None:
    scenes = Scenes(layers=np.ones((4, 2, 3, 3)), masks=np.zeros((4, 2, 3, 3)), depths_um=np.zeros((4, 2)))
    samples = scenes.measured(np.full((4, 1, 3, 3), 7.0)).map(torch.from_numpy)
    assert isinstance(samples, Samples)
    assert len(samples) == 4
    assert list(samples.arrays()) == ["layers", "masks", "depths_um", "measurements"]
    last = samples[torch.tensor([3, 3])]
    assert last.measurements.shape == (2, 1, 3, 3)
    assert last.cluster is None
    assert samples[1].depths_um.shape == (2,)


def test_outputs_of_most_tasks_have_no_values_of_layers() -> None:
    outputs = Outputs(output=torch.ones(3, 5))
    assert (list(outputs.arrays()), len(outputs)) == (["output"], 3)
    assert outputs.map(lambda values: 2 * values)[0].output.tolist() == [2] * 5
