"""The checkpoint of a training: a cache of its state, from which an interrupted training resumes.

The file is the SHA-256 digest of the rest, then what `torch.save` writes. Without the digest, a flipped bit in a weight
would go unnoticed.
"""

import hashlib
import io
import logging
from pathlib import Path
from typing import Any

import torch

from foci3d.io.atomic import atomic_path

log = logging.getLogger(__name__)

DIGEST_SIZE = hashlib.sha256().digest_size


def save_checkpoint(path: Path, values: dict[str, Any]) -> None:
    """Write a checkpoint of tensors and plain values."""
    content = io.BytesIO()  # on a full disk, torch would not say why it fails
    torch.save(values, content)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(hashlib.sha256(content.getbuffer()).digest())
        file.write(content.getbuffer())


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any] | None:
    """Values of a checkpoint, with tensors on `device`; None if there is no file, or a damaged one, which is logged."""
    if not path.exists():
        return None
    try:
        content = memoryview(path.read_bytes())
        is_whole = hashlib.sha256(content[DIGEST_SIZE:]).digest() == content[:DIGEST_SIZE]
    except OSError:
        is_whole = False
    if not is_whole:
        log.warning("%s: the checkpoint is damaged, so the training starts from the beginning", path)
        return None
    values: dict[str, Any] = torch.load(io.BytesIO(content[DIGEST_SIZE:]), map_location=device, weights_only=True)
    return values
