"""Readers of foreign bytes in a process of their own, with limits of memory and time.

Decoders that allocate what a damaged or hostile file tells them to, or crash, harm only that process.
"""

import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ALLOWANCE_BYTES = 256 << 20
"""Memory that a reader may take beyond the values that it returns."""

TIME_LIMIT_S = 20


def read_isolated(function: str, path: str | Path, names: Sequence[str], n_bytes: int) -> list[npt.NDArray[Any]]:
    """Read arrays in another process.

    Parameters
    ----------
    function : str
        What reads it, ``module:function``, called with path and names.
    path : str or Path
        The file.
    names : sequence of str
        Names of the arrays.
    n_bytes : int
        Bytes of the arrays.

    Returns
    -------
    list of ndarray
        What the function returns.

    Raises
    ------
    ValueError
        If the reader fails, crashes, or reaches a limit.
    """
    command = [sys.executable, "-m", "foci3d.io.isolation", function, json.dumps([str(path), names, n_bytes])]
    try:
        run = subprocess.run(command, capture_output=True, timeout=TIME_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"it cannot be decoded in {TIME_LIMIT_S} s") from error
    if run.returncode:
        reason = run.stderr.decode(errors="replace").strip().splitlines()
        raise ValueError(reason[-1] if run.returncode == 1 and reason else "its decoder crashed")
    output, arrays = BytesIO(run.stdout), []
    while output.tell() < len(run.stdout):
        arrays.append(np.lib.format.read_array(output, allow_pickle=False))
    return arrays


def _limit(n_bytes: int) -> None:
    """Limit memory and time of this process, where the system can, and forbid it to write files."""
    try:
        import resource
    except ImportError:  # Windows
        return
    statistics = Path("/proc/self/statm")
    if statistics.exists():
        used = int(statistics.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + n_bytes + ALLOWANCE_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (TIME_LIMIT_S,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _main(function: str, arguments: str) -> None:
    module, _, name = function.partition(":")
    read = getattr(importlib.import_module(module), name)
    path, names, n_bytes = json.loads(arguments)
    _limit(2 * n_bytes)
    try:
        arrays = [np.asarray(values) for values in read(path, names)]
    except Exception as error:  # what decoders raise for damaged bytes is without limits
        sys.exit(" ".join(str(error).split())[:200] or type(error).__name__)
    for values in arrays:
        np.lib.format.write_array(sys.stdout.buffer, values, allow_pickle=False)


if __name__ == "__main__":
    _main(*sys.argv[1:])
