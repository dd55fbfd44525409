"""The one exception that is addressed to the user."""


class InputError(ValueError):
    """A mistake in the user's input.

    A message is one sentence that names the file and the key or array, says what was expected, and what to do about
    it; several messages are lines. `foci3d.workflow.job` shows them without a traceback. What they quote from a file
    may hold line breaks and control characters; these become spaces.
    """

    def __init__(self, *messages: str) -> None:
        lines = ("".join(part if part.isprintable() else " " for part in message).strip() for message in messages)
        super().__init__("\n".join(lines))
