"""Fig. S1: the values that are drawn."""

import numpy as np
from predicted import make_predictions

from foci3d.plots import depth_maps


def test_legends_name_mean_and_deviation_of_the_errors(rng, image_samples, by_coverage):
    arrays = {name: rng.uniform(0, 900, (40, 1, 16, 16)) for name in ("layers", "measurements", "output", "target")}
    figure = depth_maps.maps_and_errors(
        make_predictions("depth_map", **arrays), image_samples, by_coverage, 2, 55.0, 1000.0
    )
    error = np.abs(arrays["output"] - arrays["target"]) / 10
    labels = [
        text.get_text() for axes in figure.axes[-3:-1] if axes.get_legend() for text in axes.get_legend().get_texts()
    ]
    assert labels == [
        f"empty map, mean {100 * image_samples['empty_error'].mean():.1f} %",
        f"network, mean {100 * image_samples['error'].mean():.1f} %",
        f"network, SD {error.std():.1f} %, mean {error.mean():.1f} %",
    ]
