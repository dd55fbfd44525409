"""Digests of plain values."""

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """Digest of a value made of mappings, lists, strings and numbers.

    Returns
    -------
    str
        16 hexadecimal digits; the order of keys does not matter.
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
