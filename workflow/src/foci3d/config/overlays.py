"""Configuration files merged as Snakemake merges them: for each key, the last file that holds it wins."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from foci3d.config.models import Config
from foci3d.config.validation import check_config
from foci3d.errors import InputError


def read_config(files: Sequence[str | Path]) -> Config:
    """Read, merge and check configuration files.

    Parameters
    ----------
    files : sequence of str or Path
        The configuration that holds every key, then its overlays in the order of ``--configfile``.

    Returns
    -------
    Config
        The configuration.

    Raises
    ------
    InputError
        If a file is not readable as YAML, or for the first problem in the configuration; see `check_config`.
    """
    merged: dict[str, Any] = {}
    for file in files:
        try:
            merged = merge_overlay(merged, _load(file))
        except RecursionError as error:
            raise InputError(f"{file}: keys are nested too deeply or contain themselves. Remove levels.") from error
    return check_config(merged, files)


def merge_overlay(config: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with the values of an overlay; mappings are merged key by key, other values replaced."""
    merged = dict(config)
    for key, value in overlay.items():
        before = merged.get(key)
        if isinstance(value, Mapping):
            merged[key] = merge_overlay(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def _load(file: str | Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{file}: cannot be read ({error.strerror}); expected a YAML file. Correct the path."
        ) from error
    except (ValueError, yaml.YAMLError) as error:  # ValueError: not UTF-8, or a date such as 2000-99-99
        reason = " ".join(str(error).split())
        raise InputError(f"{file}: not valid YAML ({reason}); correct this line.") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{file}: expected keys at the top level, found {type(content).__name__}. Add keys.")
    return content
