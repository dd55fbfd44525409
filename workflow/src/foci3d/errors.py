"""The one exception that is addressed to the user, problems of the machine, and text of files in messages and logs."""

import errno
import logging
import re

DISK_PROBLEMS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than the system allows",
    errno.EROFS: "the file system is read-only",
}
"""Errors of the system that are neither of the input nor of the code."""

MEMORY_PROBLEMS = ("can't allocate memory", "out of memory")
"""Texts of the errors of PyTorch, which are a RuntimeError: of the processor's memory, and of a GPU's."""

MAX_LENGTH = 1000
"""Characters of a message. A longer one quotes a long value, whose middle is left out."""


class InputError(ValueError):
    """A mistake in the user's input.

    A message is one sentence that names the file and the key or array, says what was expected, and what to do about
    it; several messages are lines. `foci3d.workflow.job` shows them without a traceback. What they quote from a file
    may be long, or hold line breaks and control characters; see `one_line`.
    """

    def __init__(self, *messages: str) -> None:
        super().__init__("\n".join(map(one_line, messages)))


def one_line(text: str) -> str:
    r"""A text of any origin for a terminal: spaces for line breaks, no control characters, and not too long.

    Examples
    --------
    >>> one_line("two\nlines \x1b[2J")
    'two lines \\x1b[2J'
    """
    line = escape(text).strip()
    return line if len(line) <= MAX_LENGTH else f"{line[: MAX_LENGTH // 2]} ... {line[-MAX_LENGTH // 2 :]}"


def find_machine_problem(error: BaseException | None, more_memory: str) -> str:
    """What a full disk or memory has to do with an error or with those behind it; empty if nothing.

    HDF5 closes a file that it could not write with another error, of another class, whose text has the number.

    Parameters
    ----------
    error : BaseException, optional
        The error.
    more_memory : str
        What to do about a full memory.

    Returns
    -------
    str
        The problem, as a part of a sentence.

    Examples
    --------
    >>> find_machine_problem(OSError(errno.ENOSPC, "No space left on device"), "use a smaller field")
    'cannot write: the disk is full'
    >>> find_machine_problem(MemoryError(), "use a smaller field")
    'the memory is full: use a smaller field'
    """
    while error is not None:
        stated = re.search(r"errno = (\d+)", str(error))
        number = int(stated[1]) if stated else getattr(error, "errno", None)
        if number in DISK_PROBLEMS:
            return f"cannot write: {DISK_PROBLEMS[number]}"
        if _is_memory_problem(error):
            return f"the memory is full: {more_memory}"
        error = error.__cause__ or error.__context__
    return ""


def _is_memory_problem(error: BaseException) -> bool:
    is_of_pytorch = isinstance(error, RuntimeError) and any(text in str(error) for text in MEMORY_PROBLEMS)
    return is_of_pytorch or isinstance(error, MemoryError)


class LogFormatter(logging.Formatter):
    """Lines without control characters, which a message may quote from a file."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, name of logging
        """The message, which may have several lines."""
        return "\n".join(map(escape, super().formatMessage(record).split("\n")))


def escape(text: str) -> str:
    """A text with spaces for line breaks and the like, and escapes, as in source code, for control characters."""
    parts = (
        part if part.isprintable() else " " if part.isspace() else part.encode("unicode_escape").decode()
        for part in text
    )
    return "".join(parts)
