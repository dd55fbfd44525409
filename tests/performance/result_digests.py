"""Digest of everything that a run computed: contents of shards and of the PSF, predictions and scores.

Two runs of one configuration agree if they print the same: `python tests/performance/result_digests.py results/quick`.
Names of arrays, columns and attributes are left out, so that the digest survives a renaming; values are not.
"""

import hashlib
import json
import sys
from pathlib import Path

import h5py
import pandas as pd


def array_digests(path: Path) -> list[str]:
    """Digests that a file of foci3d holds for its arrays."""
    with h5py.File(path) as file:
        digests = [data.attrs["sha256"] for data in file.values()]
    return sorted(digest.decode() if isinstance(digest, bytes) else digest for digest in digests)


def number_digest(path: Path) -> str:
    """Digest of the numbers of a table, in the order of its columns."""
    numbers = pd.read_csv(path).select_dtypes("number")
    return hashlib.sha256(numbers.to_csv(header=False, index=False).encode()).hexdigest()


def digest(parts: dict[str, object]) -> str:
    """First digits of the digest of digests."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def main(results: Path) -> None:
    """Print a digest of digests for each kind of result."""
    kinds = {
        "psf": (results.glob("psf/*.h5"), array_digests),
        "shards": (results.glob("data/**/*.h5"), array_digests),
        "predictions": (results.glob("predictions/**/*.h5"), array_digests),
        "scores": (results.glob("scores/**/summary.csv"), number_digest),
    }
    for kind, (paths, measure) in kinds.items():
        parts = {str(path.relative_to(results)): measure(path) for path in sorted(paths)}
        print(json.dumps({"kind": kind, "files": len(parts), "digest": digest(parts)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
