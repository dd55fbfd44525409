"""Errors by training seed, from made-up summaries."""

import numpy as np
import pandas as pd
import pytest
from summaries import stack, summary

from foci3d.evaluation.tables import format_number
from make_seeds import seed_errors, seeds_page


def test_errors_by_seed_and_their_standard_deviation():
    errors = {"cnn": [0.1, 0.2, 0.2, 0.1], "cnn-7": [0.2] * 4, "resnet": [0.1] * 4, "resnet-7": [0.12] * 4}
    summaries = pd.concat([stack(network, "stack2", values) for network, values in errors.items()])
    table = seed_errors(pd.concat([summaries, summary("cnn", "stack2", "auc", {"all": 0.9})]), 2022)
    assert len(table) == 20
    errors = table.set_index(["network", "seed", "layer"])["error"]
    assert errors["cnn", 2022, "2"] == pytest.approx(20)
    assert errors["resnet", 7, "all"] == pytest.approx(12)
    sections = seeds_page(table).sections
    assert list(sections) == ["cnn on stack2: error [%]", "resnet on stack2: error [%]"]
    cnn = sections["cnn on stack2: error [%]"].set_index("seed")
    assert cnn.index.tolist() == [2022, 7, "mean", "standard deviation"]
    assert cnn["Layer 1"].tolist() == ["10 (9 to 11)", "20 (19 to 21)", "15", format_number(np.std([10, 20], ddof=1))]
