"""The only module that knows Snakemake: log, errors and threads of one job, and the call of its script."""

import inspect
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, validate_call

from foci3d.config.registry import load_plugins
from foci3d.errors import InputError, LogFormatter, find_machine_problem
from foci3d.io.hdf5 import stamped
from foci3d.workflow.provenance import describe_job

log = logging.getLogger("foci3d")

MORE_MEMORY = "give the job more (mem_mb), or use smaller batches and fields"
"""What to do about a full memory."""


def run_job(main: Callable[..., None]) -> None:
    """Run the `main` of a script as a job of Snakemake, which puts the object `snakemake` among the script's globals.

    `main` is called with the wildcards, inputs, outputs and params that its keyword arguments name, and with `devices`,
    the number of devices in the configuration, which is no param as it does not change the result. Plain values are
    converted to the annotated types, a mapping to a configuration model. The log, and HDF5 files that `main` writes,
    name the versions, configuration, seed and code of the job.

    Parameters
    ----------
    main : callable
        The work of the script; takes keyword arguments and returns nothing.
    """
    snakemake = inspect.unwrap(main).__globals__["snakemake"]
    with job_context(snakemake):
        load_plugins(snakemake.config.get("plugins", ()))
        values: dict[str, Any] = {"devices": snakemake.config.get("compute", {}).get("devices", 1)}
        for part in (snakemake.wildcards, snakemake.input, snakemake.output, snakemake.params):
            values |= dict(part.items())
        arguments = {name: values[name] for name in inspect.signature(main).parameters if name in values}
        provenance = describe_job(snakemake.config, dict(snakemake.params.items()))
        log.info("%s", ", ".join(f"{name} {value}" for name, value in provenance.items()))
        with stamped(provenance):
            validate_call(config=ConfigDict(arbitrary_types_allowed=True))(main)(**arguments)


@contextmanager
def job_context(snakemake: Any) -> Iterator[None]:
    """Log to the rule's log file and to the terminal, and end the job with one line on an error.

    The line for an error in the user's input, or for a full memory, a full disk or a read-only one, says what to
    correct; any other error leaves its traceback in the log.
    Python's warnings go to the log, too.

    Parameters
    ----------
    snakemake : snakemake.script.Snakemake
        The object that Snakemake gives to a script.
    """
    logging.raiseExceptions = False  # on a full disk the log fails, too, and would print a traceback for each line
    handlers = _start_log(str(snakemake.log[0]), snakemake.rule)
    _limit_threads(snakemake.threads)
    start = time.perf_counter()
    try:
        yield
        log.info("done in %.1f s", time.perf_counter() - start)
    except InputError as error:
        log.error("%s", error)
        sys.exit(1)
    except Exception as error:
        problem = find_machine_problem(error, MORE_MEMORY)
        if problem:
            log.error("%s. Mend this and run again; complete files are kept.", problem)
        else:
            log.exception("internal error in rule %s; the traceback is in %s", snakemake.rule, snakemake.log[0])
        sys.exit(1)
    finally:
        logging.captureWarnings(False)
        for handler in handlers:
            for logger in _LOGGERS:
                logger.removeHandler(handler)
            handler.close()


_LOGGERS = (log, logging.getLogger("py.warnings"))


def _start_log(path: str, rule: str) -> tuple[logging.Handler, ...]:
    rank = os.environ.get("LOCAL_RANK", "0")  # set where Lightning runs the script again, for another device
    is_first = rank == "0"
    log.setLevel(logging.INFO)
    if is_first:
        Path(path).unlink(missing_ok=True)
    else:
        rule = f"{rule}, device {rank}"
    handlers = logging.FileHandler(path), logging.StreamHandler(sys.stderr)
    for handler in handlers:
        handler.setLevel(logging.INFO if is_first else logging.ERROR)
        handler.setFormatter(LogFormatter(f"%(asctime)s {rule}: %(message)s", "%H:%M:%S"))
        for logger in _LOGGERS:
            logger.addHandler(handler)
    logging.captureWarnings(True)
    return handlers


def _limit_threads(threads: int) -> None:
    """Keep BLAS, OpenMP and torch to the threads that Snakemake gave to the job."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
