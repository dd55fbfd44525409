"""Progress of a long computation in the log, which Snakemake shows as it runs."""

import logging
import time
from collections.abc import Callable

progress_log = logging.getLogger("foci3d.progress")
"""Where a reconstruction writes its progress, which the command line shows."""

INTERVAL_S = 30.0
"""Seconds between messages."""


class Progress:
    """Messages about a computation, one every `INTERVAL_S`: what is done, how fast, and the time that is left.

    Parameters
    ----------
    log : Logger
        Where to write them.
    unit : str
        What is counted, in the plural.
    total : int
        Their number.
    done : int
        How many are done already, of a computation that resumes.
    """

    def __init__(self, log: logging.Logger, unit: str, total: int, done: int = 0) -> None:
        self.log, self.unit, self.total, self.first = log, unit, total, done
        self.start = self.last = time.perf_counter()

    def report(self, done: int, describe: Callable[[], str] = str) -> None:
        """Write a message if it is time to, with what else there is to say, which is asked for only then."""
        now = time.perf_counter()
        if done <= self.first or now - self.last < INTERVAL_S:
            return
        self.last = now
        rate = (done - self.first) / (now - self.start)
        left = format_duration((self.total - done) / rate)
        notes = "; ".join(filter(None, [f"{rate:.3g} a second, {left} left", describe()]))
        self.log.info("%s", f"{done} of {self.total} {self.unit}: {notes}")


def format_duration(seconds: float) -> str:
    """A duration in seconds, minutes or hours.

    >>> format_duration(95), format_duration(1500), format_duration(9000)
    ('95 s', '25 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
