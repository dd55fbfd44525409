"""Runs that are killed at random moments; `kill.py` kills many more."""

from pathlib import Path

import pytest
from kill import RESULTS, Kill, content_digests, run_with_kills

N_KILLS = 3
DURATION_S = 15


@pytest.mark.slow
def test_killed_runs_end_with_the_results_of_an_undisturbed_one(finished: Path) -> None:
    """The jobs of a network are left to do: training, recalibration, predictions, scores and a reconstruction."""
    (finished / "config" / "kill.yaml").write_text("{}")
    expected = content_digests(finished)
    patterns = ("models/stack2_physics.*", "*/stack2_physics/**/*")
    made = [
        path for pattern in (*patterns, "reconstructions/clusters/**/*") for path in (finished / RESULTS).glob(pattern)
    ]
    for path in made:
        if path.is_file():
            path.unlink()
    events = list(run_with_kills(finished, expected, DURATION_S, N_KILLS, seed=0))
    assert [event for event in events if not isinstance(event, Kill)] == []
    assert len(events) == N_KILLS
