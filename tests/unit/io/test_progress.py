"""Progress of a long computation, with a clock of the test."""

import logging

import pytest

from foci3d.io import progress
from foci3d.io.progress import Progress

log = logging.getLogger("foci3d.test")


def test_a_message_every_interval(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    caplog.set_level("INFO")
    asked = []
    shown = Progress(log, "steps", 1000, done=400)
    for done in range(400, 1000, 10):
        shown.report(done, lambda done=done: asked.append(done) or "loss 0.1")
        now += 1.0
    assert caplog.messages == [
        "700 of 1000 steps: 10 a second, 30 s left; loss 0.1",
    ]
    assert asked == [700]


def test_nothing_is_said_of_what_has_not_begun(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "INTERVAL_S", 0.0)
    caplog.set_level("INFO")
    Progress(log, "samples", 10).report(0)
    assert caplog.messages == []
