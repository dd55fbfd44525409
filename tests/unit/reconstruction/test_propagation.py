"""Errors of corrections in the standard deviations of depths."""

from dataclasses import replace

import numpy as np
import scenes
from imager import measure

import foci3d
from foci3d.reconstruction.propagation import propagate_errors


def test_changes_of_depths_are_added_to_their_variances(make_psf):
    model = foci3d.load_model(
        foci3d.released_model("two_sensors"), psf=make_psf(depth_range_um=(0.0, 1000.0)), average_symmetries=False
    )
    scene = scenes.make_scene(scenes.blobs, 0)
    images = measure(scene.layers, scene.depths_um).astype(np.float32)
    result = foci3d.reconstruct(images, model)
    brighter = images * np.array([1.0, 1.05], np.float32)[:, None, None]
    changes = np.subtract(foci3d.reconstruct(brighter, model).depths_um, result.depths_um)
    widened = propagate_errors(result, [images, brighter], model)
    np.testing.assert_allclose(widened.depth_sds_um, np.hypot(result.depth_sds_um, changes), rtol=1e-3)
    layers = widened.foci["layer"].to_numpy()
    np.testing.assert_allclose(widened.foci["depth_sd_um"], np.array(widened.depth_sds_um)[layers - 1])
    assert propagate_errors(result, [], model) is result
    larger = replace(result, measurement=np.tile(images, (1, 2, 2)))
    assert propagate_errors(larger, [brighter], model) is larger
