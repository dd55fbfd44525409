"""Draw the reliability diagram, the risk-coverage curve and the scores of out-of-distribution inputs.

Reads the tables of rule assess_trust (CSV).
"""

from pathlib import Path

import pandas as pd

from foci3d.plots import style, trust
from foci3d.workflow.job import run_job


def main(
    reliability: Path,
    risk: Path,
    scores: Path,
    table: Path,
    coverage: float,
    fig_reliability: list[Path],
    fig_risk_coverage: list[Path],
    fig_ood: list[Path],
) -> None:
    style.use_style()
    summary = pd.read_csv(table)
    style.save(trust.reliability(pd.read_csv(reliability), summary), *fig_reliability)
    style.save(trust.risk_coverage(pd.read_csv(risk), coverage), *fig_risk_coverage)
    style.save(trust.scores(pd.read_csv(scores), summary), *fig_ood)


if __name__ == "__main__":
    run_job(main)
