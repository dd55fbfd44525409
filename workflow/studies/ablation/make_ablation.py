"""Make the table of the ablation: what differs between networks, training time and lowest validation error.

Reads the descriptions (JSON) and curves (CSV) of models, named after the networks; writes CSV, HTML and Markdown.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from foci3d.evaluation.tables import TablePage, format_number
from foci3d.workflow.job import run_job


def varied_settings(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What differs between networks, in words.

    Parameters
    ----------
    settings : mapping of str to mapping
        Settings of each network by key.

    Returns
    -------
    dict of str to str
        By name of the network, those of its settings that are not the same for all: ``optimizer muon, n_steps 3``. The
        numbers of steps, by which times are made equal, are left out.
    """
    keys = dict.fromkeys(key for values in settings.values() for key in values if key != "max_steps")
    varied = [key for key in keys if len({json.dumps(values.get(key)) for values in settings.values()}) > 1]
    return {
        name: ", ".join(f"{key} {json.dumps(values[key])}".replace('"', "") for key in varied if key in values)
        for name, values in settings.items()
    }


def compare_trainings(models: Mapping[str, Mapping[str, Any]], curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Compare trainings by their lowest validation error.

    Parameters
    ----------
    models : mapping of str to mapping
        By name of the network, the description of the model (the JSON file of the model).
    curves : mapping of str to DataFrame
        By name of the network, its curves; columns step, validation_score and seconds.

    Returns
    -------
    DataFrame
        Columns network, settings, parameters, steps, seconds, seconds_per_step, best_step and validation_error [%], the
        lowest error first. Seconds include validations.
    """
    settings = varied_settings({name: {**model["architecture"], **model["training"]} for name, model in models.items()})
    rows = []
    for name, table in curves.items():
        validations = table.to_dict("records")
        best, last = min(validations, key=lambda row: row["validation_score"]), validations[-1]
        rows.append(
            {
                "network": name,
                "settings": settings[name],
                "parameters": models[name]["n_parameters"],
                "steps": int(last["step"]),
                "seconds": last["seconds"],
                "seconds_per_step": last["seconds"] / last["step"],
                "best_step": int(best["step"]),
                "validation_error": 100 * best["validation_score"],
            }
        )
    return pd.DataFrame(rows).sort_values("validation_error", kind="stable", ignore_index=True)


def ablation_page(table: pd.DataFrame) -> TablePage:
    """Format the comparison of trainings."""
    numbers = ("seconds", "seconds_per_step", "validation_error")
    texts = table.assign(**{column: table[column].map(format_number) for column in numbers})
    headings = {
        "network": "Network",
        "settings": "Settings that differ",
        "parameters": "Parameters",
        "steps": "Steps",
        "seconds": "Seconds",
        "seconds_per_step": "Seconds per step",
        "best_step": "Best step",
        "validation_error": "Validation error [%]",
    }
    return TablePage("Ablation", table, {"": texts.rename(columns=headings)})


def main(models: list[Path], curves: list[Path], note: str, csv: Path, html: Path, markdown: Path) -> None:
    descriptions = {path.stem: json.loads(path.read_text()) for path in models}
    table = compare_trainings(descriptions, {path.stem: pd.read_csv(path) for path in curves})
    ablation_page(table).save(csv, html, markdown, note)


if __name__ == "__main__":
    run_job(main)
