"""Training curves: the values that are drawn."""

import numpy as np

from foci3d.plots import training


def test_curves_hold_the_losses_and_mark_the_best_score(training_table):
    loss, score = training.curves({"a_cnn": training_table}).axes
    assert loss.get_title() == "a_cnn"
    losses = dict(zip(("training", "validation"), loss.lines, strict=False))
    np.testing.assert_allclose(losses["training"].get_ydata(), training_table["train_loss"])
    np.testing.assert_allclose(losses["validation"].get_ydata(), training_table["validation_loss"])
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["training", "validation"]
    assert score.lines[1].get_xydata().tolist() == [[300, 0.2]]
