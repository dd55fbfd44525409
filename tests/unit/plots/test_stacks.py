"""Figs. 4, S2 and S4: the values that are drawn."""

from dataclasses import replace

import numpy as np
import pytest
from predicted import make_predictions

from foci3d.plots import stacks, style


def test_errors_by_layer_show_the_samples_and_the_means_of_network_and_baseline(mask_samples):
    axes = stacks.errors_by_layer(mask_samples, [0.8, 0.4, 0.4, 0.8]).axes[0]
    means = 100 * mask_samples.groupby("layer")[["empty_error", "error"]].mean().to_numpy()
    assert [text.get_text() for text in axes.texts] == [f"{mean:.1f} %" for mean in means.ravel()]
    assert axes.get_xticklabels()[1].get_text() == "layer 2\nlinear estimate: 40 %"
    violins = [collection.get_paths()[0].get_extents() for collection in axes.collections]
    assert len(violins) == 8
    for index, column in enumerate(("empty_error", "error")):
        values = 100 * mask_samples[mask_samples["layer"] == 2][column]
        spans = [(box.y0, box.y1) for box in violins]
        assert any(np.allclose(span, (values.min(), values.max())) for span in spans), index


def test_error_of_a_stack_counts_the_misclassified_pixels(make_stack):
    stack = make_stack()
    wrong = [np.mean((output > 0.5) != target) for output, target in zip(stack.output, stack.target, strict=True)]
    np.testing.assert_allclose(stack.error, wrong)


@pytest.mark.parametrize("n_sensors", [1, 2])
def test_stack_shows_layers_outputs_and_targets_in_columns(make_stack, n_sensors):
    stack = make_stack(n_sensors)
    other = replace(stack, output=1 - stack.output)
    figure = style.new_figure(180, 120)
    stacks.show_stack(figure, {"paper's": stack, "ours": other}, 55.0)
    grid = np.reshape(figure.axes[:20], (4, 5))
    assert [axes.texts[0].get_text() for axes in grid[:, 1]] == ["layer", "paper's", "ours", "target"]
    for index, column in enumerate(grid.T[1:]):
        for axes, image in zip(column, (stack.layers, stack.output, other.output, stack.target), strict=True):
            np.testing.assert_array_equal(axes.images[0].get_array(), image[index])
        assert column[0].get_title() == f"layer {index + 1}\n{stack.depths_um[index]:.0f} µm"
    for axes, image in zip(grid[1:, 0], stack.measurements, strict=False):
        np.testing.assert_array_equal(axes.images[0].get_array(), image)
    titles = [axes.get_title() for axes in figure.axes]
    assert ("sensor B" in titles) == (n_sensors == 2)


def test_stack_of_predictions_is_one_sample(rng):
    arrays = {name: rng.random((3, 4, 5, 5)) for name in ("layers", "measurements", "output", "target", "masks")}
    arrays["depths_um"] = rng.random((3, 4))
    stack = stacks.Stack.from_predictions(make_predictions("masks", **arrays), 2)
    np.testing.assert_array_equal(stack.measurements, arrays["measurements"][2])
    np.testing.assert_array_equal(stack.output, arrays["output"][2])
    np.testing.assert_array_equal(stack.depths_um, arrays["depths_um"][2])
