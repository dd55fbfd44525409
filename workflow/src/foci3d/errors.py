"""The one exception that is addressed to the user, and text of files in messages and logs."""

import logging

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
