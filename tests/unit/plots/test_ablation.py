"""Validation error against time: the values that are drawn."""

import numpy as np

from foci3d.plots.ablation import error_against_time


def test_each_network_is_a_line_of_percent_against_seconds(training_table):
    names = [f"network_{index}" for index in range(8)]
    training_table["seconds"] = training_table["step"] / 10
    (axes,) = error_against_time(dict.fromkeys(names, training_table)).axes
    drawn = [line for line in axes.lines if len(line.get_xdata()) == len(training_table)]
    assert len(drawn) == 8
    for line in drawn:
        np.testing.assert_allclose(line.get_xdata(), training_table["seconds"])
        np.testing.assert_allclose(line.get_ydata(), 100 * training_table["validation_score"])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == names
    assert len({(line.get_color(), line.get_linestyle(), line.get_marker()) for line in drawn}) == 8
