"""Scripts of the comparison by number of layers, run as Snakemake runs them, and the values that they draw."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from summaries import summary

from fig_layers import errors_against_layers
from make_layers import layers_page, layers_table

ERRORS = {"four": [0.1, 0.3, 0.3, 0.1], "two": [0.05, 0.07], "other_two": [0.2, 0.2], "one_sensor": [0.1, 0.2]}
N_SENSORS = {"four": 2, "two": 2, "other_two": 2, "one_sensor": 1}
MEANS = {"one_sensor": 15, "two": 6, "other_two": 20, "four": 20}


def test_errors_by_number_of_layers_and_sensors(run_script: Callable[..., None], tmp_path: Path) -> None:
    for name, errors in ERRORS.items():
        values = {**{str(layer): error for layer, error in enumerate(errors, 1)}, "all": float(np.mean(errors))}
        depths = {layer: 100 * error for layer, error in values.items()}
        parts = [summary(name, name, "error", values), summary(name, name, "depth_error_um", depths)]
        pd.concat([*parts, summary(name, name, "dice", values)]).to_csv(tmp_path / f"{name}.csv", index=False)
    pages = {name: tmp_path / f"layers.{name}" for name in ("csv", "html", "markdown")}
    inputs = {"summaries": [tmp_path / f"{name}.csv" for name in ERRORS]}
    run_script("make_layers", input=inputs, params={"n_sensors": N_SENSORS}, output=pages)
    table = pd.read_csv(pages["csv"])
    assert set(table["metric"]) == {"error", "depth_error_um"}
    means = table[table["layer"] == "all"].set_index(["metric", "network"])["value"]
    assert means["error"].to_dict() == MEANS
    assert means["depth_error_um"].round(9).to_dict() == MEANS
    sections = layers_page(table).sections
    assert list(sections) == ["Error [%]", "Error of the depth [um]"]
    masks = sections["Error [%]"]
    assert masks[["Sensors", "Layers", "Network", "Layer 4", "Mean, baseline"]].to_numpy().tolist() == [
        [1, 2, "one_sensor", "", "35"],
        [2, 2, "two", "", "35"],
        [2, 2, "other_two", "", "35"],
        [2, 4, "four", "10 (9 to 11)", "35"],
    ]
    left, right = errors_against_layers(table).axes
    lines = [container.lines[0] for container in left.containers]
    assert [line.get_xdata().tolist() for line in lines] == [[2], [2, 2, 4]]
    assert [line.get_ydata().tolist() for line in lines] == [[15], [6, 20, 20]]
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["1 sensor", "2 sensors"]
    assert right.get_ylabel() == "error of the depth [µm]"
    figure = [tmp_path / "fig.png", tmp_path / "fig.svg"]
    run_script("fig_layers", input={"table": str(pages["csv"])}, output={"figure": figure})
    assert all(path.stat().st_size > 1000 for path in figure)


def test_networks_without_depths_have_masks_alone() -> None:
    values = {"1": 0.1, "2": 0.3, "all": 0.2}
    table = layers_table(summary("cnn", "cnn", "error", values), {"cnn": 1})
    assert table["n_layers"].tolist() == [2, 2, 2]
    assert list(layers_page(table).sections) == ["Error [%]"]
    assert len(errors_against_layers(table).axes) == 1
