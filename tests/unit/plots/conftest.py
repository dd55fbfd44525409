"""Small made-up test samples and scores, and the style of the figures."""

from collections.abc import Callable, Iterator, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from foci3d.confidence.quality import Quality
from foci3d.plots import style
from foci3d.plots.stacks import Stack
from foci3d.reconstruction.foci import COLUMNS
from foci3d.reconstruction.volume import Reconstruction

N_PIXELS, PITCH_UM = 16, 55.0
DEPTHS_UM = np.array([110.0, 371.0, 602.0, 861.0])


@pytest.fixture(autouse=True, scope="module")
def _style() -> Iterator[None]:
    with mpl.rc_context():
        style.use_style()
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def make_stack(rng: np.random.Generator) -> Callable[..., Stack]:
    def make(n_sensors: int = 2) -> Stack:
        target = (rng.random((4, N_PIXELS, N_PIXELS)) < 0.35).astype(np.uint8)
        output = np.clip(0.7 * target + rng.uniform(0, 0.6, target.shape), 0, 1)
        measurements = rng.random((n_sensors, N_PIXELS, N_PIXELS))
        return Stack(rng.lognormal(size=target.shape), measurements, output, target, DEPTHS_UM)

    return make


@pytest.fixture
def depth_samples(rng: np.random.Generator) -> pd.DataFrame:
    target = np.append(np.arange(20), rng.integers(0, 20, 780))
    predicted = np.clip(target + rng.choice([-2, -1, 0, 1], 800, p=[0.02, 0.1, 0.8, 0.08]), 0, 19)
    return pd.DataFrame(
        {
            "sample": np.arange(800),
            "depth_um": 50.0 + 100 * target,
            "predicted_um": 50.0 + 100 * predicted,
            "exact": (predicted == target).astype(int),
            "within_one": (abs(predicted - target) <= 1).astype(int),
            "loss": rng.gamma(2, 0.2, 800),
        }
    )


@pytest.fixture
def image_samples(rng: np.random.Generator) -> pd.DataFrame:
    error = rng.uniform(0.01, 0.06, 40)
    return pd.DataFrame(
        {
            "sample": np.arange(40),
            "depth_um": rng.uniform(0, 1000, 40),
            "error": error,
            "identity_error": error + 0.01,
            "empty_error": error + 0.2,
        }
    )


@pytest.fixture
def images(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {name: rng.lognormal(size=(40, 1, N_PIXELS, N_PIXELS)) for name in ("measurements", "output", "target")}


@pytest.fixture
def mask_samples(rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sample": np.repeat(np.arange(20), 4),
            "layer": np.tile(np.arange(1, 5), 20),
            "error": rng.uniform(0.02, 0.3, 80),
            "empty_error": rng.uniform(0.1, 0.6, 80),
            "dice": rng.uniform(0.6, 1, 80),
        }
    )


@pytest.fixture
def mask_summary() -> pd.DataFrame:
    values = {"error": 0.12, "dice": 0.85, "empty_error": 0.3}
    rows = [(metric, layer, values[metric]) for metric in values for layer in ("1", "all")]
    table = pd.DataFrame(rows, columns=["metric", "layer", "value"])
    return table.assign(ci_low=table["value"] - 0.02, ci_high=table["value"] + 0.03, n=[6, 24] * 3)


@pytest.fixture
def moving_summary(rng: np.random.Generator) -> pd.DataFrame:
    metrics = ["sensitivity", "specificity", "cluster_sensitivity", "cluster_specificity", "error"]
    rows = [(metric, layer) for metric in metrics for layer in ("1", "2", "3", "4", "all")]
    value = rng.uniform(0.7, 0.9, len(rows))
    table = pd.DataFrame(rows, columns=["metric", "layer"])
    return table.assign(value=value, ci_low=value - 0.03, ci_high=value + 0.02)


@pytest.fixture
def roc_curves() -> pd.DataFrame:
    """Curves 1 - (1 - x)^p, whose areas are p / (p + 1)."""
    threshold = np.linspace(1, 0, 101)
    false_positives = (1 - threshold) ** 2
    parts = [
        pd.DataFrame(
            {
                "layer": layer,
                "threshold": np.nan if layer == "mean" else threshold,
                "false_positive_rate": false_positives,
                "true_positive_rate": 1 - (1 - false_positives) ** power,
                "auc": power / (power + 1),
            }
        )
        for power, layer in enumerate(("1", "2", "3", "4", "mean"), 2)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def training_table() -> pd.DataFrame:
    step = np.arange(100, 600, 100)
    score = [0.5, 0.3, 0.2, 0.25, 0.22]
    return pd.DataFrame({"step": step, "train_loss": 1 / step, "validation_loss": 2 / step, "validation_score": score})


@pytest.fixture
def by_coverage() -> pd.DataFrame:
    """Errors of two networks by coverage of the scene, as `foci3d.evaluation.coverage.error_by_coverage` gives them."""
    percent = np.arange(5.0, 45.0, 10)
    bins = pd.DataFrame(
        {"metric": "error", "coverage_low": percent - 5, "coverage_high": percent + 5, "value": percent / 2}
    )
    whole = pd.DataFrame({"metric": ["coverage_at_paper_error"], "value": [12.0]})
    rows = pd.concat([bins.assign(ci_low=percent / 2 - 1, ci_high=percent / 2 + 1, baseline=percent), whole])
    networks = [rows.assign(network=name, paper_error=6.0) for name in ("nonoverlap_cnn", "nonoverlap_physics")]
    return pd.concat(networks)


@pytest.fixture
def make_reconstruction() -> Callable[..., Reconstruction]:
    """Make a reconstruction without foci of measurements, probabilities, depths and standard deviations."""

    def make(
        measurement: np.ndarray, probability: np.ndarray, depths_um: Sequence[float], sds_um: Sequence[float]
    ) -> Reconstruction:
        return Reconstruction(
            measurement=measurement,
            probability=probability,
            depths_um=tuple(depths_um),
            depth_sds_um=tuple(sds_um),
            occupancy=(1.0,) * len(probability),
            foci=pd.DataFrame(columns=COLUMNS),
            threshold=0.5,
            pixel_pitch_um=55.0,
            sensor_depths_um=(0.0, 1000.0),
            quality=Quality(None, None, None, None, None, "not assessed"),
        )

    return make
