"""Fig. 3: the values that are drawn."""

import numpy as np
import pandas as pd
from predicted import make_predictions

from foci3d.plots import deblurring


def test_examples_share_a_scale_and_name_their_depth(images, image_samples):
    figure = deblurring.examples(make_predictions("deblurring", **images), image_samples, [5, 9], 55.0)
    first = [axes.images[0] for axes in (figure.axes[0], figure.axes[2], figure.axes[4])]
    assert {image.get_clim() for image in first} == {(0, np.quantile(images["target"][5], 0.99))}
    for image, name in zip(first, ("measurements", "output", "target"), strict=True):
        np.testing.assert_array_equal(image.get_array(), images[name][5, 0])
    assert figure.axes[1].get_title() == f"depth {image_samples['depth_um'][9]:.0f} µm"
    assert figure.axes[3].get_title() == f"error {100 * image_samples['error'][9]:.1f} %"


def test_curves_are_means_in_bins_of_depth(image_samples):
    by_depth = deblurring.errors(image_samples).axes[1]
    lines = {line.get_label(): line for line in by_depth.lines if not line.get_label().startswith("_")}
    bins = pd.cut(image_samples["depth_um"], 10)
    for column, label in (("error", "network"), ("identity_error", "input, not deblurred")):
        means = 100 * image_samples.groupby(bins, observed=True)[column].mean()
        np.testing.assert_allclose(lines[label].get_xdata(), [interval.mid for interval in means.index])
        np.testing.assert_allclose(lines[label].get_ydata(), means)
