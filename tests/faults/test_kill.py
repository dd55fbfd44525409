"""Runs that are killed at random moments; `kill.py` kills many more."""

from pathlib import Path

from kill import Kill, run_with_kills

N_KILLS = 3


def test_killed_runs_end_with_the_results_of_an_undisturbed_one(project: Path) -> None:
    events = list(run_with_kills(project, N_KILLS, seed=0))
    assert [event for event in events if not isinstance(event, Kill)] == []
    assert len(events) == N_KILLS
