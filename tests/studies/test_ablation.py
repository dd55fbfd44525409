"""The table of the ablation, from made-up trainings."""

import pandas as pd
import pytest

from foci3d.evaluation.ablation import ablation_page, compare_trainings, varied_settings


def model(optimizer: str, parameters: int, **architecture: object) -> dict:
    return {
        "architecture": {"name": "unet", "n_depths": 10, **architecture},
        "training": {"optimizer": optimizer, "batch_size": 16},
        "n_parameters": parameters,
    }


def curve(errors: list[float], interval: int = 100, seconds: float = 10.0) -> pd.DataFrame:
    steps = [interval * (index + 1) for index in range(len(errors))]
    times = [seconds * (index + 1) for index in range(len(errors))]
    return pd.DataFrame({"step": steps, "validation_score": errors, "seconds": times})


MODELS = {"a": model("adamw", 7, channels=[4, 8]), "b": model("muon", 9, channels=[4, 8], n_steps=3)}


def test_only_settings_that_differ_are_named():
    settings = {name: {**entry["architecture"], **entry["training"]} for name, entry in MODELS.items()}
    assert varied_settings(settings) == {"a": "optimizer adamw", "b": "optimizer muon, n_steps 3"}
    lists = {"a": {"channels": [4, 8], "max_steps": 1}, "b": {"channels": [4, 9], "max_steps": 2}}
    assert varied_settings(lists)["b"] == "channels [4, 9]"


def test_rows_hold_the_best_validation_and_the_time_of_the_whole_training():
    table = compare_trainings(MODELS, {"a": curve([0.3, 0.2]), "b": curve([0.3, 0.1, 0.15], seconds=20.0)})
    assert table["network"].tolist() == ["b", "a"]
    best = table.iloc[0]
    assert (best["best_step"], best["steps"], best["seconds"], best["parameters"]) == (200, 300, 60.0, 9)
    assert best["validation_error"] == pytest.approx(10)
    assert best["seconds_per_step"] == pytest.approx(0.2)


def test_page_has_a_row_for_each_network():
    table = compare_trainings(MODELS, {"a": curve([0.3, 0.2]), "b": curve([0.4])})
    markdown = ablation_page(table).markdown()
    assert "Seconds per step" in markdown
    assert "optimizer adamw" in markdown
    assert markdown.count("\n| ") == 3
