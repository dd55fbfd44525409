"""What a reader must not do with generated inputs: raise, hang, allocate beyond the file, write, or unpickle.

HDF5 itself asks for the memory that a damaged header claims, and is refused, before it reads that part of the file.
"""

import faulthandler
import os
import resource
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st

from foci3d.errors import InputError

ALLOWANCE = 512 * 2**20
"""Bytes of address space that a reader may use beyond what the process has."""

TIME_LIMIT_S, SLOW_S = 60, 10

Files = Mapping[str, bytes]


class Content(bytes):
    """Content of a file, shown by its size."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


@dataclass(frozen=True)
class Reader:
    """A reader and its inputs.

    Parameters
    ----------
    valid : callable
        Makes files that the reader accepts.
    generated : callable
        Strategy of generated files, given the valid ones.
    read : callable
        Reads them in the current folder.
    lists_problems : bool
        Whether it reports all problems, each in a line, or the first.
    """

    valid: Callable[[], Files]
    generated: Callable[[Files], st.SearchStrategy[Files]]
    read: Callable[[], object]
    lists_problems: bool = False


VIOLATIONS: list[str] = []
"""What happened while an input was read and must not."""

_watching = False


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook of Python: notes files opened for writing, classes looked up by pickle, and processes."""
    if not _watching:
        return
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        VIOLATIONS.append(f"opened {arguments[0]} for writing")
    elif event == "subprocess.Popen" and "foci3d.io.isolation" in arguments[1]:
        return  # a reader in a process of its own
    elif event in ("pickle.find_class", "subprocess.Popen", "os.system", "os.remove", "os.rename", "os.mkdir"):
        VIOLATIONS.append(f"{event} {arguments}")


sys.addaudithook(_watch)


@contextmanager
def guarded() -> Iterator[None]:
    """Limit memory and time, and note what a reader must not do."""
    global _watching
    n_pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    VIOLATIONS.clear()
    faulthandler.dump_traceback_later(TIME_LIMIT_S, exit=True, file=sys.__stderr__)
    resource.setrlimit(resource.RLIMIT_AS, (n_pages * resource.getpagesize() + ALLOWANCE, before[1]))
    _watching = True
    try:
        yield
    finally:
        _watching = False
        resource.setrlimit(resource.RLIMIT_AS, before)
        faulthandler.cancel_dump_traceback_later()


def read_files(reader: Reader, files: Files) -> str:
    """Read files in a folder of their own, which is kept if this fails; returns the message, empty for accepted files.

    Raises
    ------
    AssertionError
        If the message is not one line, or if the reader did what it must not do.
    """
    message = ""
    folder = Path(tempfile.gettempdir(), f"foci3d-fuzz-{os.getpid()}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with chdir(folder):
        for name, content in files.items():
            Path(name).write_bytes(content)
        with guarded():
            try:
                reader.read()
            except InputError as error:
                message = str(error)
        assert VIOLATIONS == []
        assert sorted(path.name for path in Path(folder).iterdir()) == sorted(files)
    lines = message.splitlines()
    assert len(lines) <= 1 or reader.lists_problems, message
    assert all(line.isprintable() for line in lines), message
    return message


def fuzz(
    reader: Reader, n_inputs: int, seed: int | None = None, failures: dict[str, str] | None = None
) -> Counter[str]:
    """Read generated inputs; returns how many were accepted and refused.

    With `failures`, the traceback of each that fails is kept there, once for each place that raises, and the others
    are read nevertheless; otherwise the first ends the reading. Those over `SLOW_S` of processor time are slow, too.
    """
    outcomes: Counter[str] = Counter()
    files = {name: Content(content) for name, content in reader.valid().items()}

    @settings(
        max_examples=n_inputs,
        deadline=None,
        database=None,
        derandomize=seed is None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # the file that failed is kept; a smaller one says little more
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
    )
    @given(reader.generated(files))
    def check(inputs: Files) -> None:
        start = sum(os.times()[:4])
        try:
            outcomes["refused" if read_files(reader, inputs) else "accepted"] += 1
        except Exception as error:
            if failures is None:
                raise
            outcomes["failed"] += 1
            last = traceback.extract_tb(error.__traceback__)[-1]
            name = f"{type(error).__name__} {Path(last.filename).name}:{last.lineno}"
            failures.setdefault(name, "".join(traceback.format_exception(error)))
        if sum(os.times()[:4]) - start > SLOW_S:
            outcomes["slow"] += 1
            if failures is not None:
                failures["slow"] = repr({name: bytes(content[:500]) for name, content in inputs.items()})

    (check if seed is None else hypothesis.seed(seed)(check))()
    return outcomes
