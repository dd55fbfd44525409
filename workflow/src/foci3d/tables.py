"""Tables for readers: the scorecard, tables 1 and S1 of the paper, and networks beside classical methods.

Each function takes tidy summaries, as `foci3d.score` makes them, and gives a tidy table for a CSV file; `*_page` gives
the same as a page of text for HTML and Markdown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from foci3d.store import replacing

SCORECARD = ["claim", "net", "set", "metric", "paper", "ours", "ci_low", "ci_high", "base_rate", "verdict"]
ESTIMATE = ["value", "ci_low", "ci_high", "base_rate"]
SCALES = {"%": 100.0, "um": 1.0}
COMPARED = {
    "image": {"error": "Error [%]", "psnr_db": "PSNR [dB]", "ssim": "SSIM"},
    "masks": {
        "error": "Error [%]",
        "balanced_accuracy": "Balanced accuracy [%]",
        "auc": "AUC",
        "sensitivity": "Sensitivity [%]",
        "specificity": "Specificity [%]",
        "cluster_sensitivity": "Sensitivity within the moving cluster [%]",
        "cluster_specificity": "Specificity where the cluster is in another layer [%]",
        "bleed_through": "Bleed-through: cluster called in a layer next to its own [%]",
    },
}
"""Measures, with their headings, by which networks and classical methods are compared, by task."""
LESS_IS_BETTER = {"error", "bleed_through"}
COLOURS = {"surpassed": "#cde8dc", "reproduced": "#e3ecf5", "missed": "#f7dccb"}
STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:75em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0}"
    "th,td{padding:.3em .8em;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}"
    "th{border-bottom:2px solid #888}"
)


@dataclass(frozen=True)
class Page:
    """Tables of text for people to read.

    Parameters
    ----------
    title : str
        Heading of the page.
    note : str
        What a reader should know, in one paragraph.
    sections : mapping of str to DataFrame
        Tables by their heading; an empty heading for a table without one.
    """

    title: str
    note: str
    sections: Mapping[str, pd.DataFrame]

    def html(self) -> str:
        """The page as self-contained HTML, with coloured verdicts."""
        body = [f"<h1>{escape(self.title)}</h1>", f"<p>{escape(self.note)}</p>"]
        for heading, table in self.sections.items():
            body.append(f"<h2>{escape(heading)}</h2>" if heading else "")
            body.append(table.to_html(index=False, border=0, justify="left"))
        text = "\n".join(body)
        for verdict, colour in COLOURS.items():
            text = text.replace(f"<td>{verdict}</td>", f'<td style="background:{colour}">{verdict}</td>')
        head = f'<meta charset="utf-8"><title>{escape(self.title)}</title><style>{STYLE}</style>'
        return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{text}\n</body></html>\n'

    def markdown(self) -> str:
        """The page as GitHub-flavoured Markdown."""
        parts = [f"# {self.title}", self.note]
        for heading, table in self.sections.items():
            parts += [f"## {heading}"] if heading else []
            parts.append(table.to_markdown(index=False, disable_numparse=True))
        return "\n\n".join(parts) + "\n"


def save(table: pd.DataFrame, page: Page, csv: str | Path, html: str | Path, markdown: str | Path) -> None:
    """Write a table as CSV and its page as HTML and Markdown."""
    with replacing(csv) as path:
        table.to_csv(path, index=False, float_format="%.6g")
    with replacing(html) as path:
        path.write_text(page.html(), encoding="utf-8")
    with replacing(markdown) as path:
        path.write_text(page.markdown(), encoding="utf-8")


def read_summaries(paths: Iterable[str | Path]) -> pd.DataFrame:
    """The summaries of several tests, one below the other."""
    return pd.concat([pd.read_csv(path, dtype={"layer": str}) for path in paths], ignore_index=True)


def number(value: float) -> str:
    """Three digits of a number, and all digits before the point; nothing where it is NaN."""
    if np.isnan(value):
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def with_interval(value: float, low: float, high: float) -> str:
    """A number and, where it has one, its interval."""
    return number(value) if np.isnan(low) else f"{number(value)} ({number(low)} to {number(high)})"


def scorecard(claims: pd.DataFrame, summaries: pd.DataFrame) -> pd.DataFrame:
    """Set our numbers beside what the paper claims.

    Parameters
    ----------
    claims : DataFrame
        Columns claim, net, set, metric, layer, unit (% or um), paper, better (lower or higher), versus, source. A claim
        with a `versus` (net/set) is about the relative cut of the error against that one, largest in the middle layers.
    summaries : DataFrame
        Summaries of all tests.

    Returns
    -------
    DataFrame
        Columns claim, net, set, metric, paper, ours, ci_low, ci_high, base_rate, verdict; numbers in the unit of the
        claim. The verdict is `surpassed` or `missed` if the 95 % interval lies wholly on the better or worse side of
        the paper's number, `reproduced` if it contains it, and `not measured` if there is no such test. A number
        without an interval, the largest error, is compared itself.
    """
    cuts = [_middle_cut(summaries, claim) for _, claim in claims[claims["versus"].notna()].iterrows()]
    known = pd.concat([summaries, *cuts], ignore_index=True)
    table = claims.merge(known, on=["net", "set", "metric", "layer"], how="left", validate="one_to_one")
    table[ESTIMATE] = table[ESTIMATE].mul(table["unit"].map(SCALES), axis=0)
    table["verdict"] = _verdicts(table)
    return table.rename(columns={"value": "ours"})[SCORECARD]


def _verdicts(table: pd.DataFrame) -> list[str]:
    """Verdict of each row with columns paper, better, value, ci_low and ci_high."""
    low, high = (table[side].fillna(table["value"]) for side in ("ci_low", "ci_high"))
    above, below = low > table["paper"], high < table["paper"]
    higher = table["better"] == "higher"
    cases = [table["value"].isna(), above & higher | below & ~higher, above | below]
    return np.select(cases, ["not measured", "surpassed", "missed"], "reproduced").tolist()


def relative_cut(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Share by which errors fall from one test to another, independent one, with its 95 % interval.

    The logarithm of the ratio of two errors has the variances of both logarithms added, so half the widths of their
    intervals add as squares.

    Parameters
    ----------
    before, after : DataFrame
        Columns value, ci_low, ci_high; the same index.

    Returns
    -------
    DataFrame
        The same columns.
    """
    widths = [np.log(test["ci_high"] / test["ci_low"]) / 2 for test in (before, after)]
    factor = np.exp(np.hypot(*widths))
    ratio = after["value"] / before["value"]
    return pd.DataFrame({"value": 1 - ratio, "ci_low": 1 - ratio * factor, "ci_high": 1 - ratio / factor})


def _middle_cut(summaries: pd.DataFrame, claim: pd.Series) -> pd.DataFrame:
    """A row for the summaries: the largest cut of the error in a layer between the first and the last."""
    errors = summaries[summaries["metric"] == "error"].set_index(["net", "set"])
    before, after = (
        errors[errors.index == test].set_index("layer")
        for test in (tuple(claim["versus"].split("/")), (claim["net"], claim["set"]))
    )
    middle = relative_cut(before, after).drop("all", errors="ignore").iloc[1:-1]
    return middle.nlargest(1, "value").assign(**claim[["net", "set", "metric", "layer"]])


def scorecard_page(table: pd.DataFrame) -> Page:
    """The scorecard to read."""
    text = pd.DataFrame(
        {
            "Claim": table["claim"],
            "Paper": table["paper"].map(number),
            "foci3d (95 % interval)": [*map(with_interval, table["ours"], table["ci_low"], table["ci_high"])],
            "Base rate": table["base_rate"].map(number),
            "Verdict": table["verdict"],
            "Network": table["net"],
            "Test set": table["set"],
        }
    )
    note = (
        "The paper's numbers beside ours, on synthetic scenes of our own: the authors' scenes may be harder, so a fair "
        "comparison of networks is one on the same data. Surpassed and missed: the 95 % interval over test samples "
        "lies wholly on the better or the worse side of the paper's number; reproduced: it contains it. Base rate: "
        "that of calling every pixel as most pixels are, of guessing the depth, or of leaving the picture as it is."
    )
    return Page("Scorecard: the paper's claims and foci3d", note, {"": text})


def table1(layout: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Table 1 of the paper with our accuracies beside the paper's.

    Parameters
    ----------
    layout : DataFrame
        Columns work, application, architecture, single_acquisition, dataset, paper (accuracy, %) and claim: the claim
        of the scorecard that a row of ours is about, blank for the work of others.
    scores : DataFrame
        The scorecard.

    Returns
    -------
    DataFrame
        The layout without `claim`, then ours, ci_low, ci_high and base_rate as accuracies in %: the share of exact
        classes, else 100 less the error.
    """
    ours = scores.set_index("claim")[["metric", "ours", "ci_low", "ci_high", "base_rate"]].copy()
    errors = ours.pop("metric") != "exact"
    ours[errors] = 100 - ours.loc[errors, ["ours", "ci_high", "ci_low", "base_rate"]].to_numpy()
    return layout.merge(ours, left_on="claim", right_index=True, how="left", validate="many_to_one").drop(
        columns="claim"
    )


def table1_page(table: pd.DataFrame) -> Page:
    """Table 1 to read."""
    text = pd.DataFrame(
        {
            "Work": table["work"],
            "Application": table["application"],
            "Architecture": table["architecture"],
            "Single acquisition": table["single_acquisition"],
            "Data": table["dataset"],
            "Paper: average accuracy [%]": table["paper"].map(number),
            "foci3d (95 % interval)": [*map(with_interval, table["ours"], table["ci_low"], table["ci_high"])],
            "Base rate": table["base_rate"].map(number),
        }
    )
    note = (
        "Average accuracy of the modules beside that of related work, as Table 1 of the paper gives it; the works "
        "differ in task and data, so only numbers in one row compare. Base rate: the accuracy of guessing without a "
        "look at the picture, or of leaving it as it is."
    )
    return Page("Table 1: average accuracy", note, {"": text})


def table_s1(one_sensor: pd.DataFrame, two_sensors: pd.DataFrame) -> pd.DataFrame:
    """Table S1 of the paper: error by layer, and how much of the error with one sensor a second one cuts.

    Parameters
    ----------
    one_sensor : DataFrame
        Summary of the test with one sensor.
    two_sensors : DataFrame
        Summaries of tests with two sensors, of stacks with as many layers.

    Returns
    -------
    DataFrame
        Columns net, set, layer, error, ci_low, ci_high, base_rate, cut, cut_low, cut_high; all numbers in %, the cut
        relative to the error with one sensor.
    """
    keys = ["net", "set", "layer"]
    errors = pd.concat([one_sensor, two_sensors]).query("metric == 'error'").drop_duplicates(keys, ignore_index=True)
    reference = one_sensor.query("metric == 'error'").set_index("layer")
    cuts = relative_cut(reference.loc[errors["layer"]].reset_index(drop=True), errors)
    cuts = cuts.set_axis(["cut", "cut_low", "cut_high"], axis=1).iloc[len(reference) :]
    shares = [*ESTIMATE, *cuts.columns]
    return errors[keys].join(100 * errors.join(cuts)[shares]).rename(columns={"value": "error"})


def table_s1_page(table: pd.DataFrame) -> Page:
    """Table S1 to read."""
    table = table.assign(
        errors=[*map(with_interval, table["error"], table["ci_low"], table["ci_high"])],
        cuts=[*map(with_interval, table["cut"], table["cut_low"], table["cut_high"])],
        bases=table["base_rate"].map(number),
    )
    note = (
        "Error rate by layer, counted from sensor A, with 95 % intervals over test samples. Base rate: the error of "
        "calling every pixel of a layer as most of its pixels are. The cut is relative to the error with one sensor."
    )
    sections = {
        "Error rate [%]": _by_layer(table, "errors"),
        "Base rate [%]": _by_layer(table, "bases"),
        "Cut of the error with one sensor [%]": _by_layer(table.dropna(subset="cut"), "cuts"),
    }
    return Page("Table S1: error rate by layer, with one sensor and two", note, sections)


def _by_layer(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row for each net and set, a column for each layer."""
    wide = table.pivot_table(column, ["net", "set"], "layer", aggfunc="first", sort=False)
    return _headed(wide)


def compare(networks: pd.DataFrame, baselines: pd.DataFrame) -> pd.DataFrame:
    """Set networks beside classical methods, test set by test set.

    Parameters
    ----------
    networks, baselines : DataFrame
        Summaries of tests on the same sets, with the same tasks.

    Returns
    -------
    DataFrame
        The rows of the summaries whose metric is in COMPARED, with a column kind (network or classical).
    """
    both = pd.concat([networks.assign(kind="network"), baselines.assign(kind="classical")], ignore_index=True)
    chosen = [metric in COMPARED[task] for task, metric in zip(both["task"], both["metric"], strict=True)]
    return both[chosen].sort_values("set", kind="stable", ignore_index=True)


def comparison_page(table: pd.DataFrame) -> Page:
    """The comparison to read: a section for each set and measure, the best first."""
    headings = {metric: heading for task in COMPARED.values() for metric, heading in task.items()}
    scale = np.where(table["metric"].map(headings).str.contains("%"), 100.0, 1.0)
    values, lows, highs, bases = (scale * table[column] for column in ESTIMATE)
    table = table.assign(text=[*map(with_interval, values, lows, highs)], base=bases.map(number))
    sections = {}
    for (test, task, metric), part in table.groupby(["set", "task", "metric"], sort=False):
        text = part.pivot_table("text", ["net", "kind"], "layer", aggfunc="first", sort=False)
        means = part[part["layer"] == "all"].set_index(["net", "kind"])["value"]
        text = text.loc[means.sort_values(ascending=metric in LESS_IS_BETTER).index]
        base = part.drop_duplicates("layer").set_index("layer")["base"]
        text.loc[("base rate", ""), :] = base.reindex(text.columns)
        sections[f"{test}: {COMPARED[str(task)][str(metric)]}"] = _headed(text)
    note = (
        "Networks and what a user has without one, on the same test samples. The classical methods know the depth of "
        "each layer, which no network is told, and the very point-spread function that made the pictures; their "
        "parameters are chosen on validation samples. Base rate: that of calling every pixel as most pixels are, or of "
        "leaving the picture as it is."
    )
    return Page("Networks beside classical methods", note, sections)


def seed_errors(summaries: pd.DataFrame, root_seed: int) -> pd.DataFrame:
    """Errors of networks that were trained with several seeds.

    Parameters
    ----------
    summaries : DataFrame
        Summaries of the tests; a repetition's net is its name, a hyphen and its seed.
    root_seed : int
        Seed of the networks whose names have no seed.

    Returns
    -------
    DataFrame
        Columns net, seed, set, layer, error, ci_low, ci_high; the last three in %.
    """
    table = summaries.query("metric == 'error'").reset_index(drop=True)
    names = table["net"].str.partition("-")
    table = table.assign(net=names[0], seed=names[2].replace("", str(root_seed)).astype(int), error=table["value"])
    table[["error", "ci_low", "ci_high"]] *= 100
    return table[["net", "seed", "set", "layer", "error", "ci_low", "ci_high"]]


def seeds_page(table: pd.DataFrame) -> Page:
    """The errors by seed to read: a section for each network, its mean and standard deviation last."""
    sections = {}
    for (net, test), part in table.groupby(["net", "set"], sort=False):
        texts = part.assign(text=[*map(with_interval, part["error"], part["ci_low"], part["ci_high"])])
        wide = texts.pivot_table("text", "seed", "layer", aggfunc="first", sort=False)
        by_layer = part.groupby("layer")["error"]
        wide.loc["mean"] = by_layer.mean().map(number)
        wide.loc["standard deviation"] = by_layer.std().map(number)
        sections[f"{net} on {test}: error [%]"] = _headed(wide)
    note = (
        "The same networks trained with several seeds, which decide their first weights, except those of a pretrained "
        "encoder, and the order, the combinations and the depths that they are trained on. Intervals are over test "
        "samples, the standard deviation is over seeds: a difference between networks means little within it."
    )
    return Page("Seeds: how much the training's luck matters", note, sections)


def _headed(wide: pd.DataFrame) -> pd.DataFrame:
    """A table by net and layer with headings to read: layers in words, depths as they are."""
    words = {layer: f"Layer {layer}" if layer.isdigit() else layer.replace("all", "Mean") for layer in wide.columns}
    return wide.rename(columns=words).rename_axis(columns=None).reset_index()
