"""The released models, which the package holds in its folder `released`."""

from pathlib import Path

from foci3d.errors import InputError

FOLDER = Path(__file__).parents[1] / "released"


def released_model(name: str) -> Path:
    """Find a released model.

    Parameters
    ----------
    name : str
        Its name: ``two_sensors`` or ``one_sensor`` for four layers of cells, ``any_layers`` or
        ``any_layers_one_sensor`` for none to six, ``deblurring`` or ``depth_map``.

    Returns
    -------
    Path
        Its JSON file, for `foci3d.load_model`; the card is the Markdown file beside it.

    Raises
    ------
    InputError
        If there is no such model.
    """
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in FOLDER.glob("*.safetensors"))) or "none"
        raise InputError(
            f"{path}: there is no released model {name}; expected one of those there ({names}), correct the name."
        )
    return path


def default_model(n_sensors: int) -> Path:
    """The JSON file of the released model for any number of layers of cells, seen by one or two sensors."""
    return released_model("any_layers" if n_sensors > 1 else "any_layers_one_sensor")


def find_model(model: str | Path) -> Path:
    """The JSON file of a model that is given by its path, or by its name if it is a released one.

    Raises
    ------
    InputError
        If it has no suffix, as a name, and there is no released model of that name.
    """
    return Path(model) if Path(model).suffix else released_model(str(model))
