"""The application `foci3d`: how a command is run, and the types of options that several commands have."""

import gc
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from pydantic import AllowInfNan, Field, ValidationError

from foci3d.config.fields import Positive
from foci3d.errors import InputError, LogFormatter, find_machine_problem, one_line
from foci3d.version import __version__

HELP = """
3D maps of cells from the blurred images of millimetre-scale lensless imagers.

`foci3d COMMAND --help` explains a command, with an example. Exit status: 0, or
1 after an error in the input, which is reported in one line, or 2 after a
mistake in the command. The workflow, which calibrates, simulates, trains and
scores, is run by Snakemake: see README.md.
"""

app = App("foci3d", help=HELP, version=__version__, help_format="plaintext", help_formatter="plain")

GC_THRESHOLD = 50_000
"""New objects between two searches for cyclic garbage: at Python's 700, they take a tenth of the time of imports."""

MORE_MEMORY = "use images of fewer pixels or frames, or a machine with more memory"
"""What to do about a full memory."""

Length = Annotated[Positive, AllowInfNan(False)]
Files = Annotated[list[Path], Parameter(negative="")]
Series = Annotated[list[str], Parameter(negative="", consume_multiple=True)]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]
Folder = Annotated[Path, Parameter(help="Folder of the results.")]
PsfFile = Annotated[
    Path | None,
    Parameter(help="Point-spread function of the imager (HDF5); networks that use the PSF need it."),
]
Separation = Annotated[
    Length | None,
    Parameter(help="Distance between the sensors [um], if it is not that of the model's training data."),
]
NLayers = Annotated[
    Annotated[int, Field(ge=0)] | None,
    Parameter(help="Number of layers with cells where you know it, for a model that predicts the number."),
]
LateralGate = Annotated[Length, Parameter(help="Largest lateral distance that a focus moves from frame to frame [um].")]
DepthGate = Annotated[Length, Parameter(help="Largest distance in depth that a focus moves from frame to frame [um].")]
Gap = Annotated[int, Field(ge=0), Parameter(help="Frames a focus may be missing and is the same focus afterwards.")]
Interval = Annotated[Length | None, Parameter(help="Time between frames [s], for speeds in um/s.")]


def write(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


@contextmanager
def show_progress() -> Iterator[None]:
    """Write the progress of a reconstruction to the standard error."""
    handler, logger = logging.StreamHandler(), logging.getLogger("foci3d.progress")
    previous = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(previous)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments of the command line, by default those of the process.

    Returns
    -------
    int
        Exit status: 0, or 1 after an error in the input, a full memory or a file that cannot be written, or 2 after a
        mistake in the command.
    """
    tokens = sys.argv[1:] if arguments is None else arguments
    gc.set_threshold(GC_THRESHOLD)
    if logging.lastResort:  # prints warnings
        logging.lastResort.setFormatter(LogFormatter())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may know fewer characters than a file has
    if not tokens:
        sys.stderr.write("foci3d: expected a command. See foci3d --help.\n")
        return 2
    try:
        app(tokens, exit_on_error=False, print_error=False, result_action="return_none")
        sys.stdout.flush()
    except BrokenPipeError:  # as by `| head`; a later flush would fail, too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except CycloptsError as error:
        command = " ".join(("foci3d", *(error.command_chain or ())))
        sys.stderr.write(f"{command}: {one_line(f'{_describe(error)} See {command} --help.')}\n")
        return 2
    except Exception as error:
        lines = _describe_failure(error)
        if not lines:
            raise
        sys.stderr.write(f"foci3d: {lines}\n")
        return 1
    return 0


def _describe_failure(error: Exception) -> str:
    """What is wrong with the input, the memory or the disk, one line for each problem; empty of an internal error."""
    if isinstance(error, InputError):
        return str(error)
    problem, detail = find_machine_problem(error, MORE_MEMORY), str(error) if isinstance(error, OSError) else ""
    if problem:
        return one_line(f"{problem}{f' ({detail})' if detail else ''}. Mend this and run again.")
    return one_line(detail)


def _describe(error: CycloptsError) -> str:
    """A mistake in the command, in one line."""
    cause = error.__cause__
    if error.argument and isinstance(cause, ValidationError):
        problem = cause.errors()[0]
        return f"{error.argument.name}: found {problem['input']}; {problem['msg'].replace('Input', 'it')}."
    return " ".join(str(error).split())
