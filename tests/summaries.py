"""Summaries of tests with known numbers."""

import numpy as np
import pandas as pd

LAYERS = ["1", "2", "3", "4", "all"]


def summary(network: str, dataset: str, metric: str, values: dict[str, float], width: float = 0.01) -> pd.DataFrame:
    """One metric by layer, with an interval of half-width `width` around each value."""
    names = {"network": network, "dataset": dataset, "task": "masks", "metric": metric}
    frame = pd.DataFrame({**names, "layer": [*values], "value": [*values.values()], "baseline": 0.35, "n": 100})
    return frame.assign(ci_low=frame["value"] - width, ci_high=frame["value"] + width)


def stack(network: str, dataset: str, errors: list[float]) -> pd.DataFrame:
    """Errors of four layers and their mean."""
    return summary(network, dataset, "error", dict(zip(LAYERS, [*errors, float(np.mean(errors))], strict=True)))
