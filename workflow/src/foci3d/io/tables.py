"""Tables of numbers that users give: CSV files, and data frames in Python."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.errors import ParserWarning

from foci3d.errors import InputError

MAX_HEADER_BYTES = 100_000

MAX_VALUE = 1e9
"""Largest number of a table: a kilometre in micrometres."""


def read_table(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table of a user.

    Parameters
    ----------
    path : str or Path
        CSV file; the first line names the columns.
    columns : sequence of str
        Columns that it must have, of numbers.

    Returns
    -------
    DataFrame
        All columns; these are numbers.

    Raises
    ------
    InputError
        If the file cannot be read, or for what `require_numbers` refuses.
    """
    try:
        with Path(path).open("rb") as file:
            if len(file.readline(MAX_HEADER_BYTES + 1)) > MAX_HEADER_BYTES:
                raise InputError(
                    f"{path}: its first line is very long; expected the names of columns. Export it again."
                )
        with warnings.catch_warnings(action="error", category=ParserWarning):
            table = pd.read_csv(path, index_col=False, skipinitialspace=True)
    except InputError:
        raise
    except ParserWarning as error:
        raise InputError(f"{path}: rows have more cells than the first line. Name every column there.") from error
    except (OSError, ValueError, OverflowError, MemoryError) as error:  # malformed text is a ValueError
        raise InputError(f"{path}: not a readable CSV file ({error}); expected a table with commas.") from error
    return require_numbers(table, columns, str(path))


def require_numbers(table: pd.DataFrame, columns: Sequence[str], source: str) -> pd.DataFrame:
    """A table whose `columns` are numbers; `source` names it in messages.

    Raises
    ------
    InputError
        If a column is missing, or a value is no number, is missing, or exceeds `MAX_VALUE`.
    """
    for column in columns:
        if column not in table:
            found = ", ".join(map(str, table.columns))
            raise InputError(f"{source}: found the columns {found}; expected a column {column}. Add or rename it.")
        values = pd.to_numeric(table[column], errors="coerce").astype(float)
        bad = np.flatnonzero(~(values.abs() <= MAX_VALUE))
        if len(bad):
            raise InputError(
                f"{source}: {column} of row {bad[0] + 1} is {table[column].iloc[bad[0]]}; expected a number of at most "
                f"{MAX_VALUE:g}. Correct it."
            )
        table = table.assign(**{column: values})
    return table
