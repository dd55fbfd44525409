"""Files that are complete or absent: written under a temporary name, and renamed at the end."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Temporary path beside `path`, renamed to it when the block ends without an error.

    Parameters
    ----------
    path : str or Path
        File to write; its folder is created if needed.

    Yields
    ------
    Path
        Where to write. On an error it is removed, and `path` remains as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # One job writes a file, so what another process left was killed.
    for abandoned in path.parent.glob(f".{glob.escape(path.stem)}.[0-9]*.partial{glob.escape(path.suffix)}"):
        abandoned.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_csv(table: "pd.DataFrame", path: str | Path, float_format: str | None = None) -> None:
    """Write a table without its index, numbers with all digits or in a format such as ``%.6g``."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, float_format=float_format)
