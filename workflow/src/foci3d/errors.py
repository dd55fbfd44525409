"""The one exception that is addressed to the user."""


class InputError(ValueError):
    """A mistake in the user's input.

    The message is one sentence that names the file and the key or array, says what was expected, and what to do
    about it. `foci3d.workflow.job` shows it without a traceback. What it quotes from a file may hold line breaks and
    control characters; these become spaces.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(character if character.isprintable() else " " for character in message).strip())
