"""Selection of the samples that figures show."""

import numpy as np
import pandas as pd
from predicted import make_predictions

from foci3d.plots.selection import median_sample, representative_samples, visible_sequence


def test_median_sample_is_nearest_to_the_median():
    samples = pd.DataFrame({"sample": [7, 7, 8, 8, 9, 9], "error": [0.0, 0.2, 0.1, 0.5, 0.8, 1.0]})
    assert median_sample(samples) == 8


def test_median_sample_ignores_undefined_errors():
    samples = pd.DataFrame({"sample": [0, 1, 2, 3], "error": [np.nan, 0.1, 0.2, 0.9]})
    assert median_sample(samples) == 2


def test_median_sequence():
    samples = pd.DataFrame({"sample": range(6), "sequence": [4, 4, 5, 5, 6, 6], "error": [9, 1, 2, 2, 3, 3]})
    assert median_sample(samples, by="sequence") == 6


def test_representative_samples_are_the_median_samples_of_equal_bins(rng):
    samples = pd.DataFrame({"sample": range(400), "depth_um": rng.uniform(0, 1000, 400), "error": rng.random(400)})
    shown = representative_samples(samples, 4)
    edges = np.linspace(samples["depth_um"].min(), samples["depth_um"].max(), 5)
    assert np.digitize(samples["depth_um"][shown], edges).tolist() == [1, 2, 3, 4]
    first = samples[samples["depth_um"] <= edges[1]]["error"]
    assert abs(samples["error"][shown[0]] - first.median()) == abs(first - first.median()).min()


def test_visible_sequence_has_a_large_central_cluster_and_an_error_near_the_median():
    sequences = np.repeat(np.arange(8), 2)
    clusters = np.zeros((16, 20, 20))
    clusters[sequences == 2, :4] = 1  # large, at the edge
    clusters[sequences == 3, 8:10, 8:10] = 1  # small, central
    clusters[sequences == 5, 6:14, 6:14] = 1  # large, central, error near the median
    clusters[sequences == 6, 5:14, 5:14] = 1  # large, central, extreme error
    errors = np.array([0.1, 0.2, 0.3, 0.3, 0.4, 0.35, 0.9, 0.5])
    samples = pd.DataFrame({"sequence": sequences, "error": errors[sequences]})
    test = make_predictions("masks", output=clusters, sequence=sequences, cluster=clusters)
    assert visible_sequence(samples, test.samples) == 5
