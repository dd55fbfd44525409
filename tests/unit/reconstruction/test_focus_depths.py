"""Depths of foci that are fitted to the measurement, where a network puts them elsewhere."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from foci3d.confidence.quality import Quality
from foci3d.learning.model import load_model
from foci3d.learning.released import released_model
from foci3d.optics.forward import ForwardModel
from foci3d.reconstruction.foci import find_foci
from foci3d.reconstruction.focus_depths import fit_depths
from foci3d.reconstruction.volume import Reconstruction

TRUE_UM = (180.0, 640.0)
FLAGGED = Quality(score=9.0, score_threshold=2.0)


@pytest.fixture(scope="module")
def model(make_psf):
    psf = make_psf(depth_range_um=(0.0, 1000.0), depth_step_um=20.0)
    return load_model(released_model("two_sensors"), psf=psf, device="cpu")


@pytest.fixture(scope="module")
def result(model) -> Reconstruction:
    """Two discs in the dark, which a network has drawn in layers elsewhere, and one that is not there."""
    y, x = np.mgrid[:51, :51]
    discs = np.stack([np.hypot(y - cy, x - cx) < 3.5 for cy, cx in ((15, 15), (33, 36))])
    forward = ForwardModel(model.psf, 51, 2, 1000.0)
    layers = torch.from_numpy(discs[None]).float()
    measurement = forward(layers, torch.tensor([TRUE_UM]))[0].numpy() + 1e-3
    probability = np.zeros((3, 51, 51), np.float32)
    probability[0] = 0.9 * discs[0]
    probability[1] = 0.9 * discs.any(0)
    probability[2, 2:5, 45:48] = 0.7
    depths_um, sds_um = (450.0, 500.0, 560.0), (230.0,) * 3
    foci = find_foci(probability, 0.5, depths_um, sds_um, 55.0)
    layers = (probability, depths_um, sds_um, (1.0,) * 3, foci, 0.5, 55.0, (0.0, 1000.0))
    return Reconstruction(measurement, *layers, FLAGGED)


def test_foci_have_the_depths_that_explain_the_measurement(result, model):
    foci = fit_depths(result, model).foci
    phantom = foci[foci["y_um"] < 400]
    assert phantom["cell"].tolist() == [0]
    assert phantom["depth_um"].tolist() == [560.0]
    for (x_um, true_um), layers in zip(((850, TRUE_UM[0]), (2000, TRUE_UM[1])), ([1, 2], [2]), strict=True):
        cell = foci[(abs(foci["x_um"] - x_um) < 200) & (foci["cell"] > 0)]
        assert cell["layer"].tolist() == layers
        assert cell["cell"].nunique() == cell["depth_um"].nunique() == 1
        assert abs(cell["depth_um"].iloc[0] - true_um) < 30
        assert cell["depth_sd_um"].iloc[0] < 60
    assert "depths of foci fitted" in fit_depths(result, model).quality.note


def test_a_measurement_that_is_in_distribution_keeps_its_depths(result, model):
    known = replace(result, quality=Quality(score=1.0, score_threshold=2.0))
    assert fit_depths(known, model) is known
    assert fit_depths(result, replace(model, psf=None)).foci is result.foci
