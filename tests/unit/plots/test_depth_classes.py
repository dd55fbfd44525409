"""Fig. 2: the values that are drawn."""

import numpy as np
import pandas as pd
import pytest

from foci3d.plots import depth_classes

BOUNDS = pd.DataFrame({"depth_um": [50.0, 1950.0], "class_accuracy": [0.98, 0.9]})


def test_shades_are_shares_of_the_samples_of_a_depth(depth_samples):
    axes = depth_classes.predictions_by_depth(depth_samples).axes[0]
    shares = np.ma.filled(axes.collections[0].get_array(), 0).reshape(20, 20)
    expected = 100 * pd.crosstab(depth_samples["predicted_um"], depth_samples["depth_um"], normalize="columns")
    np.testing.assert_allclose(shares, expected.to_numpy())


def test_points_stay_within_their_classes(depth_samples):
    x, y = depth_classes.predictions_by_depth(depth_samples).axes[0].lines[0].get_data()
    assert np.abs(x - depth_samples["depth_um"]).max() < 50
    assert np.abs(y - depth_samples["predicted_um"]).max() < 50
    assert np.std(x - depth_samples["depth_um"]) > 10


def test_accuracy_by_depth_has_wilson_intervals(depth_samples):
    accuracy, loss = depth_classes.accuracy_by_depth(depth_samples, BOUNDS).axes
    by_depth = depth_samples.groupby("depth_um")["exact"]
    share, n = by_depth.mean().to_numpy(), by_depth.size().to_numpy()
    np.testing.assert_allclose(accuracy.lines[1].get_ydata(), 100 * share)
    z = 1.959964
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    band = accuracy.collections[1].get_paths()[0].get_extents()
    assert band.y0 == pytest.approx(100 * (middle - half).min(), rel=1e-5)
    assert band.y1 == pytest.approx(100 * (middle + half).max(), rel=1e-5)
    losses = depth_samples.groupby("depth_um")["loss"]
    np.testing.assert_allclose(loss.lines[0].get_ydata().astype(float), losses.mean())


def test_bound_is_drawn_only_for_data_with_noise(depth_samples):
    accuracy = depth_classes.accuracy_by_depth(depth_samples, BOUNDS).axes[0]
    np.testing.assert_allclose(accuracy.lines[2].get_ydata(), [98, 90])
    assert "Cramér-Rao" in accuracy.get_legend().get_texts()[-1].get_text()
    without = depth_classes.accuracy_by_depth(depth_samples, BOUNDS[:0]).axes[0]
    assert len(without.lines) == 2
    assert len(without.get_legend().get_texts()) == 2
