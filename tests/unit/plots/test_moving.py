"""Figs. 5 and 6: the values that are drawn."""

import numpy as np
from matplotlib.contour import ContourSet
from predicted import make_predictions

from foci3d.plots import moving


def test_steps_of_a_sequence_come_in_order(rng):
    arrays = {name: rng.random((6, 2, 5, 5)) for name in ("layers", "measurements", "output", "target")}
    arrays |= {"depths_um": rng.random((6, 2)), "cluster": rng.random((6, 5, 5))}
    arrays |= {"sequence": np.array([1, 0, 1, 0, 2, 2]), "step": np.array([1, 0, 0, 1, 0, 1])}
    steps, clusters = moving.read_sequence(make_predictions("masks", **arrays), 1)
    np.testing.assert_array_equal(steps[0].output, arrays["output"][2])
    np.testing.assert_array_equal(steps[1].output, arrays["output"][0])
    np.testing.assert_array_equal(clusters, arrays["cluster"][[2, 0]])


def test_cluster_is_outlined_in_every_image_and_solid_in_its_own_layer(make_stack):
    clusters = np.zeros((4, 16, 16))
    clusters[:, 3:6, 3:6] = 1
    figure = moving.step_by_step([make_stack() for _ in range(4)], clusters, 55.0)
    outlines = [axes.findobj(ContourSet)[-1] for axes in figure.axes]
    solid = np.array([outline.get_linestyle()[0][1] is None for outline in outlines]).reshape(4, -1)
    np.testing.assert_array_equal(solid[:, -4:], np.eye(4, dtype=bool))
    assert solid.sum() == 4
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["moving cluster, in the layer that holds it", "footprint of the cluster elsewhere", "target"]


def test_rates_show_values_and_intervals(moving_summary):
    all_cells, cluster = moving.rates(moving_summary).axes
    for axes, prefix in ((all_cells, ""), (cluster, "cluster_")):
        for bars, name in zip(axes.containers, ("sensitivity", "specificity"), strict=True):
            rows = moving_summary[moving_summary["metric"] == prefix + name]
            points, _, (intervals,) = bars
            np.testing.assert_allclose(points.get_ydata(), 100 * rows["value"])
            ends = np.array([segment[:, 1] for segment in intervals.get_segments()])
            np.testing.assert_allclose(ends, 100 * rows[["ci_low", "ci_high"]])


def test_roc_names_the_areas_and_marks_the_threshold(roc_curves):
    axes = moving.roc(roc_curves).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [
        *(f"layer {layer}, area {power / (power + 1):.3f}" for layer, power in zip("1234", range(2, 6), strict=True)),
        "mean, area 0.857",
    ]
    marks = [line.get_data() for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(marks[0], [[25], [100 * (1 - 0.75**2)]])
    assert len(marks) == 4
