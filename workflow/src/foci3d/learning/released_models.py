"""The trained models that come with foci3d, by number of sensors."""

from pathlib import Path

from foci3d.errors import InputError

FOLDER = Path(__file__).parents[4] / "resources" / "models"
"""Where the released models are."""

NAMES = {1: "one_sensor", 2: "two_sensors"}
"""Name of the released model for a number of sensors."""


def released_model(n_sensors: int) -> Path:
    """The description (JSON) of the released model for a number of sensors, beside which its weights are.

    Raises
    ------
    InputError
        If there is no released model for this number of sensors.
    """
    path = FOLDER / f"{NAMES.get(n_sensors, 'none')}.json"
    if not path.is_file():
        raise InputError(
            f"{FOLDER}: there is no released model for {n_sensors} sensors; expected the JSON file of a trained model. "
            "Give one with --model."
        )
    return path
