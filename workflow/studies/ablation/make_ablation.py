"""Make the table of the ablation: what differs between networks, processor time and lowest validation error.

Reads the descriptions (JSON) and curves (CSV) of models, in one order; writes CSV, HTML and Markdown.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foci3d.evaluation.tables import TablePage, format_estimates, format_number
from foci3d.workflow.job import run_job

MISSING = pd.Series([np.nan])
"""Processor times of a training by foci3d 0.3 or before."""


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


def compare_trainings(
    networks: Sequence[str], models: Sequence[Mapping[str, Any]], curves: Sequence[pd.DataFrame]
) -> pd.DataFrame:
    """Compare trainings by their lowest validation error.

    Parameters
    ----------
    networks : sequence of str
        Name of the network that each training is of: several have the same with different seeds.
    models : sequence of mapping
        Description of each model (its JSON file).
    curves : sequence of DataFrame
        Curves of each; columns step, validation_score and processor_seconds.

    Returns
    -------
    DataFrame
        Columns network, settings, parameters, steps, seeds (their number), processor_seconds, seconds_per_step (of the
        processor), validation_error, lowest and highest [%]; a row per network, the lowest error first. The error and
        the times, which include validations, are means over the seeds; lowest and highest are NaN where there is one.
    """
    seeds: dict[str, list[pd.DataFrame]] = {}
    for name, curve in zip(networks, curves, strict=True):
        seeds.setdefault(name, []).append(curve)
    described = dict(zip(networks, models, strict=True))
    settings = varied_settings({name: {**each["architecture"], **each["training"]} for name, each in described.items()})
    rows = []
    for name, trained in seeds.items():
        errors = [100 * curve["validation_score"].min() for curve in trained]
        steps = [int(curve["step"].iloc[-1]) for curve in trained]
        seconds = [curve.get("processor_seconds", MISSING).iloc[-1] for curve in trained]
        rows.append(
            {
                "network": name,
                "settings": settings[name],
                "parameters": described[name]["n_parameters"],
                "steps": steps[0],
                "seeds": len(trained),
                "processor_seconds": np.mean(seconds),
                "seconds_per_step": sum(seconds) / sum(steps),
                "validation_error": np.mean(errors),
                "lowest": min(errors) if len(trained) > 1 else np.nan,
                "highest": max(errors) if len(trained) > 1 else np.nan,
            }
        )
    return pd.DataFrame(rows).sort_values("validation_error", kind="stable", ignore_index=True)


def ablation_page(table: pd.DataFrame) -> TablePage:
    """Format the comparison of trainings."""
    texts = pd.DataFrame(
        {
            "Network": table["network"],
            "Settings that differ": table["settings"],
            "Parameters": table["parameters"],
            "Steps": table["steps"],
            "Seeds": table["seeds"],
            "Processor time [s]": table["processor_seconds"].map(format_number),
            "of a step [s]": table["seconds_per_step"].map(format_number),
            "Validation error [%]": format_estimates(table, "validation_error", "lowest", "highest"),
        }
    )
    return TablePage("Ablation", table, {"": texts})


def main(
    models: list[Path], curves: list[Path], networks: list[str], note: str, csv: Path, html: Path, markdown: Path
) -> None:
    descriptions = [json.loads(path.read_text()) for path in models]
    table = compare_trainings(networks, descriptions, [pd.read_csv(path) for path in curves])
    ablation_page(table).save(csv, html, markdown, note)


if __name__ == "__main__":
    run_job(main)
