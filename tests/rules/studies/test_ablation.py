"""The table and the figure of the ablation, from made-up trainings."""

import json

import numpy as np
import pandas as pd
import pytest

from fig_ablation import error_against_time
from make_ablation import ablation_page, compare_trainings, varied_settings


def model(optimizer: str, parameters: int, **architecture: object) -> dict:
    return {
        "architecture": {"name": "unet", "n_depths": 10, **architecture},
        "training": {"optimizer": optimizer, "batch_size": 16},
        "n_parameters": parameters,
    }


def curve(errors: list[float], interval: int = 100, seconds: float = 10.0) -> pd.DataFrame:
    steps = [interval * (index + 1) for index in range(len(errors))]
    times = [seconds * (index + 1) for index in range(len(errors))]
    return pd.DataFrame({"step": steps, "validation_score": errors, "processor_seconds": times})


MODELS = {"a": model("adamw", 7, channels=[4, 8]), "b": model("muon", 9, channels=[4, 8], n_steps=3)}
BOTH = list(MODELS.values())


def test_only_settings_that_differ_are_named():
    settings = {name: {**entry["architecture"], **entry["training"]} for name, entry in MODELS.items()}
    assert varied_settings(settings) == {"a": "optimizer adamw", "b": "optimizer muon, n_steps 3"}
    lists = {"a": {"channels": [4, 8], "max_steps": 1}, "b": {"channels": [4, 9], "max_steps": 2}}
    assert varied_settings(lists)["b"] == "channels [4, 9]"


def test_rows_hold_the_best_validation_and_the_time_of_the_whole_training():
    table = compare_trainings("ab", BOTH, [curve([0.3, 0.2]), curve([0.3, 0.1, 0.15], seconds=20.0)])
    assert table["network"].tolist() == ["b", "a"]
    best = table.iloc[0]
    assert (best["steps"], best["processor_seconds"], best["parameters"], best["seeds"]) == (300, 60.0, 9, 1)
    assert best["validation_error"] == pytest.approx(10)
    assert best["seconds_per_step"] == pytest.approx(0.2)
    assert best[["lowest", "highest"]].isna().all()


def test_seeds_of_a_network_are_one_row():
    curves = [curve([0.2]), curve([0.25]), curve([0.5, 0.1]), curve([0.24], seconds=30)]
    table = compare_trainings("abaa", [MODELS[name] for name in "abaa"], curves).set_index("network")
    assert table.index.tolist() == ["a", "b"]
    assert table.loc["a", ["seeds", "lowest", "highest"]].tolist() == pytest.approx([3, 10, 24])
    assert table.loc["a", "validation_error"] == pytest.approx(18)
    assert table.loc["a", "processor_seconds"] == pytest.approx(20)
    assert table.loc["a", "seconds_per_step"] == pytest.approx(60 / 400)
    assert "18 (10 to 24)" in ablation_page(table.reset_index()).markdown("A note.")


def test_trainings_without_processor_times_have_none():
    table = compare_trainings("ab", BOTH, [curve([0.2]), curve([0.1]).drop(columns="processor_seconds")])
    assert table.set_index("network")["processor_seconds"].isna().to_dict() == {"a": False, "b": True}


def test_page_has_a_row_for_each_network():
    table = compare_trainings("ab", BOTH, [curve([0.3, 0.2]), curve([0.4])])
    markdown = ablation_page(table).markdown("A note.")
    assert "Processor time" in markdown
    assert "optimizer adamw" in markdown
    assert markdown.count("\n| ") == 3


def test_each_network_is_a_line_of_percent_against_seconds():
    names = [f"network_{index}" for index in range(8)]
    training_table = pd.DataFrame({"step": np.arange(100, 500, 100)})
    training_table["validation_score"] = 1 / training_table["step"]
    training_table["processor_seconds"] = training_table["step"] / 10
    (axes,) = error_against_time(dict.fromkeys(names, training_table)).axes
    drawn = [line for line in axes.lines if len(line.get_xdata()) == len(training_table)]
    assert len(drawn) == 8
    for line in drawn:
        np.testing.assert_allclose(line.get_xdata(), training_table["processor_seconds"])
        np.testing.assert_allclose(line.get_ydata(), 100 * training_table["validation_score"])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == names
    assert len({(line.get_color(), line.get_linestyle(), line.get_marker()) for line in drawn}) == 8


def test_ablation_makes_a_table_and_a_figure(run_script, tmp_path):
    curves, models = [], []
    for index, name in enumerate(("one", "two")):
        curves.append(tmp_path / f"{name}.csv")
        table = {"step": [10, 20], "validation_score": [0.3, 0.2 - 0.1 * index], "processor_seconds": [5.0, 10.0]}
        pd.DataFrame(table).to_csv(curves[-1], index=False)
        models.append(tmp_path / f"{name}.json")
        description = {"architecture": {"n_depths": index + 5}, "training": {}, "n_parameters": 7}
        models[-1].write_text(json.dumps(description))
    pages = {name: tmp_path / f"ablation.{name}" for name in ("csv", "html", "markdown")}
    inputs = {"models": models, "curves": curves}
    run_script("make_ablation", input=inputs, params={"networks": ["one", "two"]}, output=pages)
    table = pd.read_csv(pages["csv"])
    assert table["network"].tolist() == ["two", "one"]
    assert table["settings"].tolist() == ["n_depths 6", "n_depths 5"]
    figure = [tmp_path / "fig.png", tmp_path / "fig.svg"]
    run_script("fig_ablation", input={"curves": curves}, output={"figure": figure})
    assert all(path.stat().st_size > 1000 for path in figure)
