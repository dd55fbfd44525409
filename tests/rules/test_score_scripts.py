"""Scripts that make tables of scores, run as Snakemake runs them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from predicted import make_predictions

from foci3d.evaluation.score_files import save_scores

RESOURCES = Path(__file__).parents[2] / "resources"


@pytest.fixture
def score_masks(tmp_path):
    """Score predictions of masks, with some pixels `wrong`; gives the summary."""

    def score(network: str, test: str = "stack2", wrong: float = 0.1) -> Path:
        rng = np.random.default_rng(1)
        target = (rng.random((8, 4, 12, 12)) < 0.35).astype(np.uint8)
        output = np.where(rng.random(target.shape) < wrong, 1.0 - target, target) * 0.8 + 0.1
        arrays = {
            "output": output.astype(np.float32),
            "target": target,
            "depths_um": np.sort(rng.uniform(0, 1000, (8, 4)), 1),
        }
        samples, summary = (tmp_path / f"{network}_{kind}.csv" for kind in ("samples", "summary"))
        save_scores(make_predictions("masks", network=network, dataset=test, **arrays), 1000.0, 50, 1, samples, summary)
        return summary

    return score


def pages(folder: Path, name: str) -> dict[str, Path]:
    suffixes = {"csv": "csv", "html": "html", "markdown": "md"}
    return {key: folder / "tables" / f"{name}.{suffix}" for key, suffix in suffixes.items()}


def test_scorecard_and_table1_follow_from_summaries(run_script, score_masks, tmp_path):
    summaries = [score_masks("stack2_resnet", wrong=0.05)]
    inputs = {"summaries": summaries, "claims": RESOURCES / "paper_claims.csv", "layout": RESOURCES / "table1.csv"}
    card, page = (pages(tmp_path, name) for name in ("scorecard", "table1"))
    params = {"classical": [], "table1_note": "Another note."}
    run_script("make_scorecard", input=inputs, output={**card, "table1": [*page.values()]}, params=params)
    table = pd.read_csv(card["csv"]).set_index("claim")
    assert table.loc["Four layers, two sensors, ResNet + CNN: mean error (%)", "verdict"] == "surpassed"
    assert table.loc["Depth: exact class (%)", "verdict"] == "not measured"
    assert "surpassed" in card["html"].read_text()
    assert "surpassed" in card["markdown"].read_text()

    accuracies = pd.read_csv(page["csv"])["ours"].dropna()
    assert accuracies.tolist() == pytest.approx([95], abs=2)
    assert "NYU depth" in page["html"].read_text()
    assert "Another note." in page["markdown"].read_text()


def test_table_s1_follows_from_summaries(run_script, score_masks, tmp_path):
    tests = [("one", "stack1", 0.4), ("two", "stack2", 0.2), ("resnet", "stack2", 0.1)]
    summaries = {network: score_masks(network, test, wrong) for network, test, wrong in tests}
    page = pages(tmp_path, "tableS1")
    inputs = {"one_sensor": summaries["one"], "two_sensors": [summaries["two"], summaries["resnet"]]}
    run_script("make_tableS1", input=inputs, output=page)
    table = pd.read_csv(page["csv"]).set_index(["network", "layer"])
    assert table.loc[("two", "all"), "reduction"] == pytest.approx(50, abs=10)
    assert table.loc[("resnet", "all"), "reduction"] == pytest.approx(75, abs=10)
    assert "Reduction of the error" in page["html"].read_text()
