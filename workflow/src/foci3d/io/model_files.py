"""The files of a model, which lie in one folder and share a name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model, all from the path of its description.

    Parameters
    ----------
    description : Path
        JSON file: all about the model but its weights.

    Examples
    --------
    >>> ModelFiles.in_folder("results/quick/models", "stack2_cnn").recalibration.as_posix()
    'results/quick/models/stack2_cnn.recalibration.json'
    """

    description: Path

    @classmethod
    def in_folder(cls, folder: str | Path, name: str) -> Self:
        """The files of the model `name` in a folder."""
        return cls(Path(folder, f"{name}.json"))

    @property
    def weights(self) -> Path:
        """Weights (safetensors)."""
        return self.description.with_suffix(".safetensors")

    @property
    def curves(self) -> Path:
        """Curves of the training (CSV), one row per validation."""
        return self.description.with_suffix(".csv")

    @property
    def recalibration(self) -> Path:
        """Recalibration of probabilities and depths, and reference of the out-of-distribution flag (JSON)."""
        return self.description.with_suffix(".recalibration.json")

    @property
    def card(self) -> Path:
        """Card of a released model (Markdown)."""
        return self.description.with_suffix(".md")
