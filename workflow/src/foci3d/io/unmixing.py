"""Linear unmixing: the light of each fluorophore, from channels that several of them light."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from foci3d.config.samples import NAME, Acquisition, Fluorophore
from foci3d.errors import InputError
from foci3d.io.images import require_own_images
from foci3d.io.tables import read_table

CHANNEL = "channel"
"""First column of a table of `read_matrix`."""


def read_matrix(path: str | Path) -> pd.DataFrame:
    """Read a matrix of light: a row for each channel, and a column for each fluorophore.

    Parameters
    ----------
    path : str or Path
        CSV file with the column channel, the name of each channel, and a column for each fluorophore: its light in
        that channel, relative to its light in the other channels.

    Returns
    -------
    DataFrame
        The matrix, with channels as index and fluorophores as columns.

    Raises
    ------
    InputError
        If the file is not such a table, or the channels do not determine the fluorophores.
    """
    table = read_table(path, [])
    fluorophores = [name for name in table.columns if name != CHANNEL]
    if CHANNEL not in table or not fluorophores or table[CHANNEL].duplicated().any():
        raise InputError(
            f"{path}: found the columns {', '.join(table.columns)} in {len(table)} rows; expected {CHANNEL}, with each "
            "channel once, and a column for each fluorophore. Correct the table."
        )
    for name in fluorophores:
        if not pd.Series([name]).str.match(NAME).all():
            raise InputError(
                f"{path}: a fluorophore is named {name!r}; expected a letter, then letters, digits, - and _. Rename it."
            )
    matrix = read_table(path, fluorophores).set_index(CHANNEL)
    if np.linalg.matrix_rank(matrix.to_numpy(float), 1e-6) < len(fluorophores):
        raise InputError(
            f"{path}: {len(matrix)} channels do not tell {len(fluorophores)} fluorophores apart; expected at least as "
            "many channels, in which they differ. Correct the matrix."
        )
    return matrix


def find_sources(
    acquisitions: Sequence[Acquisition], unmixing: str | Path | None = None
) -> Mapping[str, Acquisition | Fluorophore]:
    """What is seen of samples, by name: the acquisitions, or fluorophores if the file of a matrix is given.

    Raises
    ------
    InputError
        If several channels name one file that does not hold several, or as `unmix`.
    """
    require_own_images(acquisitions)
    return unmix(acquisitions, unmixing) if unmixing else {each.name: each for each in acquisitions}


def unmix(acquisitions: Iterable[Acquisition], path: str | Path) -> dict[str, Fluorophore]:
    """The fluorophores of each sample with channels, by name; their weights are least squares.

    Parameters
    ----------
    acquisitions : iterable of Acquisition
        All channels of each sample; acquisitions without a channel give none.
    path : str or Path
        See `read_matrix`.

    Raises
    ------
    InputError
        If the file is not such a table, or a sample has other channels.
    """
    matrix = read_matrix(path)
    weights = pd.DataFrame(np.linalg.pinv(matrix.to_numpy(float)), matrix.columns, matrix.index)
    samples: dict[str, list[Acquisition]] = {}
    for acquisition in acquisitions:
        if acquisition.channel:
            samples.setdefault(acquisition.sample, []).append(acquisition)
    fluorophores: dict[str, Fluorophore] = {}
    for sample, channels in samples.items():
        names = [each.channel for each in channels]
        if sorted(names) != sorted(matrix.index.astype(str)):
            raise InputError(
                f"{path}: found the channels {', '.join(map(str, matrix.index))}; expected {', '.join(names)}, as "
                f"sample {sample} has. Correct the matrix."
            )
        for fluorophore, row in weights.iterrows():
            seen = channels[0].model_copy(update={CHANNEL: str(fluorophore)})
            fluorophores[seen.name] = Fluorophore(seen, tuple(channels), _weights(row, names))
    return fluorophores


def _weights(row: "pd.Series[float]", channels: Sequence[str]) -> tuple[float, ...]:
    return tuple(float(row[name]) for name in channels)
