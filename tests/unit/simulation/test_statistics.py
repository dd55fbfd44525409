"""Statistics of layers, compared with those of their distributions."""

import numpy as np
import pandas as pd
import pytest

from foci3d.simulation.statistics import compare_layers, measure_layers


@pytest.fixture(scope="module")
def example():
    """One sample: a layer of given statistics, one of cells alone, and one without any."""
    rng = np.random.default_rng(0)
    masks = np.zeros((1, 3, 400, 400), np.uint8)
    masks[0, 0, 100:201, 50:350] = 1
    masks[0, 1] = 1
    sigma = np.sqrt(np.log1p(0.78**2))
    cells = rng.lognormal(-(sigma**2) / 2, sigma, masks.shape)
    return np.where(masks, cells, rng.gamma(4, 0.25 / 4, masks.shape)), masks


def test_statistics_are_those_of_the_distributions(example):
    table = measure_layers(*example)
    assert table[["sample", "layer"]].values.tolist() == [[0, 1], [0, 2], [0, 3]]
    first = table.iloc[0]
    sigma = np.sqrt(np.log1p(0.78**2))
    assert first["coverage"] == pytest.approx(101 * 300 / 400**2)
    assert first["intensity_cv"] == pytest.approx(0.78, rel=0.03)
    for name, score in {"median_to_mean": 0, "q90_to_mean": 1.2816, "q99_to_mean": 2.3263}.items():
        assert first[name] == pytest.approx(np.exp(score * sigma - sigma**2 / 2), rel=0.03)
    assert first["tumour_to_background"] == pytest.approx(4, rel=0.03)
    assert first["background_cv"] == pytest.approx(0.5, rel=0.03)
    assert first["focus_width_px"] == 102


def test_undefined_statistics_are_left_out(example):
    table = measure_layers(*example)
    assert table["coverage"].tolist() == pytest.approx([0.189375, 1, 0])
    assert table["intensity_cv"].isna().tolist() == [False, True, True]
    published = pd.DataFrame({"statistic": ["coverage", "intensity_cv"], "low": [0.1, 0.7], "high": 0.8, "source": "x"})
    compared = compare_layers(table, published).set_index("statistic")
    assert compared["n"].tolist() == [3, 1]
    assert compared.loc["coverage", "mean"] == pytest.approx((0.189375 + 1) / 3)
    assert compared.loc["coverage", "median"] == pytest.approx(0.189375)
    assert compared.loc["intensity_cv", "published_low"] == 0.7
