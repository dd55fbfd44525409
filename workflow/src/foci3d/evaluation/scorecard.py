"""The numbers of the paper beside those of foci3d: the scorecard of all claims, and Table 1."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from foci3d.evaluation.tables import TablePage, format_estimates, format_number, in_units
from foci3d.evaluation.uncertainty import relative_error_reduction

MEASURED = ["network", "value", "ci_low", "ci_high", "verdict"]
CLASSICAL = ["network", "value", "ci_low", "ci_high"]
COLUMNS = [
    *("claim", "dataset", "metric", "paper", "baseline"),
    *MEASURED,
    *(f"foci3d_{name}" for name in MEASURED),
    *(f"classical_{name}" for name in CLASSICAL),
]


def scorecard(claims: pd.DataFrame, summaries: pd.DataFrame, classical: Collection[str] = ()) -> pd.DataFrame:
    """Compare the scores with the claims of the paper.

    Parameters
    ----------
    claims : DataFrame
        Columns claim, network, foci3d_network, dataset, metric, layer, unit (% or um), paper, better (lower or higher),
        versus, foci3d_versus, source. `network` is the paper's, `foci3d_network` that of foci3d for the same task. A
        claim with `versus` (network/dataset) is about the relative reduction of the error from that test, in the middle
        layer where it is largest.
    summaries : DataFrame
        Summaries of all tests.
    classical : collection of str
        Names of the classical methods among `summaries`.

    Returns
    -------
    DataFrame
        Columns COLUMNS, with numbers in the units of their metrics: network, value, interval and verdict of the paper's
        network, then of the network of foci3d; name, value and interval of the classical method that is best in the
        claim's own metric and layer on the test samples, a choice in its favour. A verdict is `surpassed` or `missed`
        if the 95 % interval lies wholly on the better or worse side of the paper's number, `reproduced` if it contains
        that number, and `not measured` if there is no such test. A value without an interval, as the largest error, is
        compared itself.
    """
    own = claims.assign(network=claims["foci3d_network"], versus=claims["foci3d_versus"])
    measured = _compare(own, summaries)[MEASURED].add_prefix("foci3d_")
    best = _best_score(claims, summaries[summaries["network"].isin(classical)])[CLASSICAL].add_prefix("classical_")
    return _compare(claims.drop(columns="foci3d_network"), summaries).join([measured, best])[COLUMNS]


def _compare(claims: pd.DataFrame, summaries: pd.DataFrame) -> pd.DataFrame:
    """Claims with the scores of their networks and the verdicts."""
    reductions = [_middle_reduction(summaries, claim) for _, claim in claims[claims["versus"].notna()].iterrows()]
    scores = pd.concat([summaries, *reductions], ignore_index=True)
    keys = ["network", "dataset", "metric", "layer"]
    table = in_units(claims.merge(scores, on=keys, how="left", validate="many_to_one"))
    return table.assign(verdict=_verdicts(table))


def _best_score(claims: pd.DataFrame, summaries: pd.DataFrame) -> pd.DataFrame:
    """The best of the `summaries` for each claim, in the units of the metrics; NaN where there is none."""
    tests = claims[["dataset", "metric", "layer", "better"]].reset_index(names="row")
    scores = tests.merge(summaries, on=["dataset", "metric", "layer"])
    loss = scores["value"].where(scores["better"] == "lower", -scores["value"])
    best = scores.assign(loss=loss).sort_values("loss").drop_duplicates("row").set_index("row").reindex(claims.index)
    return in_units(best.assign(metric=claims["metric"]))


def _verdicts(table: pd.DataFrame) -> list[str]:
    """Verdict of each row with columns paper, better, value, ci_low and ci_high."""
    low, high = (table[side].fillna(table["value"]) for side in ("ci_low", "ci_high"))
    above, below = low > table["paper"], high < table["paper"]
    higher = table["better"] == "higher"
    cases = [table["value"].isna(), above & higher | below & ~higher, above | below]
    return np.select(cases, ["not measured", "surpassed", "missed"], "reproduced").tolist()


def _middle_reduction(summaries: pd.DataFrame, claim: pd.Series) -> pd.DataFrame:
    """Summary row of the largest relative error reduction in a layer between the first and the last."""
    errors = summaries[summaries["metric"] == "error"].set_index(["network", "dataset"])
    before, after = (
        errors[errors.index == test].set_index("layer")
        for test in (tuple(claim["versus"].split("/")), (claim["network"], claim["dataset"]))
    )
    middle = relative_error_reduction(before, after).drop("all", errors="ignore").iloc[1:-1]
    return middle.nlargest(1, "value").assign(**claim[["network", "dataset", "metric", "layer"]])


def scorecard_page(table: pd.DataFrame) -> TablePage:
    """Format the scorecard."""
    text = pd.DataFrame(
        {
            "Claim": table["claim"],
            "Paper": table["paper"].map(format_number),
            "Network of the paper (95 % interval)": format_estimates(table),
            "Verdict": table["verdict"],
            "Network of foci3d (95 % interval)": format_estimates(
                table, *(f"foci3d_{name}" for name in ("value", "ci_low", "ci_high"))
            ),
            "Verdict of foci3d": table["foci3d_verdict"],
            "Best classical method": _named_estimates(table),
            "Baseline": table["baseline"].map(format_number),
            "Test dataset": table["dataset"],
        }
    )
    return TablePage("Scorecard: the paper's claims and foci3d", table, {"": text})


def _named_estimates(table: pd.DataFrame) -> list[str]:
    """Scores of the classical methods with their names; empty where there is none."""
    estimates = format_estimates(table, *(f"classical_{name}" for name in ("value", "ci_low", "ci_high")))
    names = table["classical_network"].fillna("")
    return [f"{text}, {name}" if name else "" for text, name in zip(estimates, names, strict=True)]


def table1(layout: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Table 1 of the paper with the accuracies of foci3d beside the paper's.

    Parameters
    ----------
    layout : DataFrame
        Columns work, application, architecture, single_acquisition, dataset, paper (accuracy, %) and claim: the claim
        of the scorecard that a row is about, blank for the work of others.
    scores : DataFrame
        The scorecard.

    Returns
    -------
    DataFrame
        The layout without `claim`, then ours, ci_low, ci_high and baseline as accuracies in %: the share of exact
        classes, or 100 minus the error.
    """
    ours = scores.rename(columns={"value": "ours"}).set_index("claim")
    ours = ours[["metric", "ours", "ci_low", "ci_high", "baseline"]].copy()
    errors = ours.pop("metric") != "exact"
    ours[errors] = 100 - ours.loc[errors, ["ours", "ci_high", "ci_low", "baseline"]].to_numpy()
    return layout.merge(ours, left_on="claim", right_index=True, how="left", validate="many_to_one").drop(
        columns="claim"
    )


def table1_page(table: pd.DataFrame) -> TablePage:
    """Format Table 1."""
    text = pd.DataFrame(
        {
            "Work": table["work"],
            "Application": table["application"],
            "Architecture": table["architecture"],
            "Single acquisition": table["single_acquisition"],
            "Data": table["dataset"],
            "Paper: average accuracy [%]": table["paper"].map(format_number),
            "foci3d (95 % interval)": format_estimates(table, "ours"),
            "Baseline": table["baseline"].map(format_number),
        }
    )
    return TablePage("Table 1: average accuracy", table, {"": text})
