"""The only room that knows Snakemake: log, errors and threads of one job."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from foci3d.errors import InputError

log = logging.getLogger("foci3d")


@contextmanager
def running(snakemake: Any) -> Iterator[None]:
    """Run a script's work as a job of Snakemake.

    The log goes to the rule's log file and to the terminal. A mistake in the user's input ends the job with one
    sentence; any other error leaves its traceback in the log file.

    Parameters
    ----------
    snakemake : snakemake.script.Snakemake
        The object that Snakemake gives to a script.
    """
    handlers = _start_log(str(snakemake.log[0]), snakemake.rule)
    _limit_threads(snakemake.threads)
    start = time.perf_counter()
    try:
        yield
        log.info("done in %.1f s", time.perf_counter() - start)
    except InputError as error:
        log.error("%s", error)
        sys.exit(1)
    except Exception:
        log.exception("%s failed; this is a fault of foci3d or of the machine, not of the input.", snakemake.rule)
        sys.exit(1)
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()


def _start_log(path: str, rule: str) -> tuple[logging.Handler, ...]:
    log.setLevel(logging.INFO)
    handlers = logging.FileHandler(path, mode="w"), logging.StreamHandler(sys.stderr)
    for handler in handlers:
        handler.setFormatter(logging.Formatter(f"%(asctime)s {rule}: %(message)s", "%H:%M:%S"))
        log.addHandler(handler)
    logging.captureWarnings(True)
    return handlers


def _limit_threads(threads: int) -> None:
    """Keep BLAS, OpenMP and torch to the threads that Snakemake gave to the job."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
