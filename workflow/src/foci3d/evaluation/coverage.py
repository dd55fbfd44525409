"""Error of depth maps against the share of the scene that holds cells."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from foci3d.evaluation import uncertainty
from foci3d.evaluation.metrics import FloatArray, mean_defined, ratio
from foci3d.evaluation.tables import TablePage, format_estimates, format_number, spread
from foci3d.evaluation.uncertainty import Estimate

BIN_PERCENT = 10
"""Width of a bin of coverage [%]."""


def error_by_coverage(
    samples: Mapping[str, pd.DataFrame], paper_error: float, n_bootstrap: int, seed: int
) -> pd.DataFrame:
    """Error of networks in scenes of equal coverage, and the coverage at which it is that of the paper.

    Parameters
    ----------
    samples : mapping of str to DataFrame
        By name of the network, its table of samples: columns coverage, error and empty_error (0 to 1).
    paper_error : float
        Mean error that the paper states [%].
    n_bootstrap : int
        Bootstrap resamples of the samples behind each interval.
    seed : int
        Seed of the resamples.

    Returns
    -------
    DataFrame
        Columns network, metric, coverage_low, coverage_high, value, ci_low, ci_high, baseline (the error of an empty
        map), n and paper_error; all but n in %. The metric `error` has one row per bin of coverage, and
        `coverage_at_paper_error` one row over the whole range of coverage: where a line through the errors of the
        samples reaches `paper_error`. It is NaN if no scene is so sparse.
    """
    parts = []
    for network, table in samples.items():
        percent = 100 * table[["coverage", "error", "empty_error"]].to_numpy(float)
        weights = uncertainty.resampling_weights(np.arange(len(table)), n_bootstrap, seed)
        rows = pd.concat([_bins(percent, weights), _crossing(percent, paper_error, weights)], ignore_index=True)
        parts.append(rows.assign(network=network, paper_error=paper_error))
    table = pd.concat(parts, ignore_index=True)
    return table[["network", *table.columns.drop("network")]]


def _bins(percent: FloatArray, weights: FloatArray) -> pd.DataFrame:
    """Rows of the mean error by bin of coverage, from coverage, error and error of an empty map `(N, 3)` [%]."""
    bins = (percent[:, 0] // BIN_PERCENT).astype(int)
    occupied = np.unique(bins)
    inside = bins[:, None] == occupied
    errors, baselines = (np.where(inside, percent[:, index, None], np.nan) for index in (1, 2))
    estimate = uncertainty.estimate_mean(errors, weights)
    n, low = inside.sum(0), BIN_PERCENT * occupied
    # A single sample has no spread, and thus no interval.
    bounds = (np.where(n > 1, side, np.nan) for side in (estimate.low, estimate.high))
    return _rows("error", low, low + BIN_PERCENT, Estimate(estimate.value, *bounds), mean_defined(baselines, 0), n)


def _crossing(percent: FloatArray, paper_error: float, weights: FloatArray) -> pd.DataFrame:
    """Row of the coverage at which the line of least squares reaches an error."""
    coverage, error, _ = percent.T
    moments = np.stack([np.ones_like(coverage), coverage, error, coverage**2, coverage * error], -1)

    def solve(sums: FloatArray) -> FloatArray:
        n, sum_x, sum_y, sum_xx, sum_xy = np.moveaxis(sums, -1, 0)
        slope = ratio(n * sum_xy - sum_x * sum_y, n * sum_xx - sum_x**2)
        return sum_x / n + ratio(paper_error - sum_y / n, slope)

    estimate = uncertainty.bootstrap_estimate(moments, solve, weights)
    low, high = coverage.min(), coverage.max()
    if not low <= estimate.value <= high:
        estimate = Estimate(*np.full((3, 1), np.nan))
    return _rows("coverage_at_paper_error", low, high, estimate, np.nan, len(percent))


def _rows(
    metric: str,
    low: FloatArray | float,
    high: FloatArray | float,
    estimate: Estimate,
    baseline: FloatArray | float,
    n: FloatArray | int,
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "metric": metric,
            "coverage_low": np.atleast_1d(low),
            "coverage_high": np.atleast_1d(high),
            "value": np.atleast_1d(estimate.value),
            "ci_low": np.atleast_1d(estimate.low),
            "ci_high": np.atleast_1d(estimate.high),
            "baseline": baseline,
            "n": n,
        }
    )


def coverage_page(table: pd.DataFrame) -> TablePage:
    """Format the table of `error_by_coverage`."""
    texts = table.assign(text=format_estimates(table))
    bins = texts[texts["metric"] == "error"]
    bins = bins.assign(
        coverage=bins["coverage_low"].map("{:g}".format) + "-" + bins["coverage_high"].map("{:g}".format)
    )
    wide = spread(bins, "text", "coverage", across="network")
    first = bins.drop_duplicates("coverage").set_index("coverage")
    wide["empty map"] = first["baseline"].map(format_number)
    wide["samples"] = first["n"].astype(str)
    crossings = texts[texts["metric"] == "coverage_at_paper_error"]
    reached = pd.DataFrame(
        {
            "Network": crossings["network"],
            "Coverage [%]": crossings["text"].replace("", "no scene is so sparse"),
        }
    )
    paper_error = format_number(table["paper_error"].iloc[0])
    sections = {
        "Error by coverage of the scene [%]": wide.rename_axis(index="Coverage [%]", columns=None).reset_index(),
        f"Coverage at which the error is the paper's {paper_error} %": reached,
    }
    return TablePage("Depth maps by coverage of the scene", table, sections)
