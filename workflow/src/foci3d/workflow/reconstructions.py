"""The acquisitions of a user in a run: what the tables of samples list, and the files of their reconstructions."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from foci3d.config.models import ALIGNED, Config
from foci3d.config.samples import Acquisition, Fluorophore, read_samples

Wildcards = Any
"""Wildcards of a job, as attributes."""


@dataclass(frozen=True)
class Reconstructions:
    """The acquisitions to reconstruct, and their files.

    Parameters
    ----------
    config : Config
        The configuration of the run.
    """

    config: Config

    @cached_property
    def samples(self) -> dict[str, Acquisition]:
        """The rows of the table of samples, by name."""
        return self._read_samples(self.config.reconstruct.samples)

    @cached_property
    def acquisitions(self) -> dict[str, Acquisition | Fluorophore]:
        """The acquisitions to reconstruct, or the fluorophores of those in several channels, by name."""
        if not self.config.reconstruct.unmixing:
            return {**self.samples}
        from foci3d.io.unmixing import unmix  # which reads a table by a large library

        unmixed = unmix(self.samples.values(), self.config.reconstruct.unmixing)
        mixed = {row.name for each in unmixed.values() for row in each.channels}
        return {**{name: row for name, row in self.samples.items() if name not in mixed}, **unmixed}

    @property
    def channels(self) -> dict[str, list[str]]:
        """Names of the channels, or fluorophores, of each sample in several."""
        parts = [name.split("/") for name in self.acquisitions if "/" in name]
        return {sample: [channel for each, channel in parts if each == sample] for sample, _ in parts}

    @cached_property
    def aligning(self) -> dict[str, Acquisition]:
        """The acquisitions to align the imager from, by name; empty where `reconstruct.imager` is not aligned."""
        is_aligned = self.config.reconstruct.imager == ALIGNED
        return self._read_samples(self.config.align.samples) if is_aligned else {}

    def _read_samples(self, table: str) -> dict[str, Acquisition]:
        sensors = self.config.datasets[self.config.networks[self.config.reconstruct.network].dataset].sensors
        return read_samples(table, self.config.imager, sensors)

    def values(self, wildcards: Wildcards) -> list[dict[str, Any]]:
        """Plain values of all channels of the sample of an acquisition, without what changes no result."""
        sample = wildcards.sample.partition("/")[0]
        return [row.model_dump(exclude={"description"}) for row in self.samples.values() if row.sample == sample]

    def images(self, wildcards: Wildcards) -> list[str]:
        """The files of an acquisition."""
        return self.acquisitions[wildcards.sample].files

    def unmixing(self, wildcards: Wildcards) -> list[str]:
        """The table of the light of fluorophores, for one of them."""
        is_unmixed = isinstance(self.acquisitions[wildcards.sample], Fluorophore)
        return [self.config.reconstruct.unmixing] if is_unmixed else []

    def file(self, name: str) -> str:
        """A file or folder of the reconstruction of an acquisition."""
        return f"{self.config.results}/reconstructions/{{sample}}/{name}"

    def of_channels(self, name: str) -> Callable[[Wildcards], list[str]]:
        """A function for the files with a name in the results of all channels of a sample."""
        return lambda wildcards: [
            self.file(name).format(sample=f"{wildcards.sample}/{channel}")
            for channel in self.channels[wildcards.sample]
        ]

    def targets(self) -> list[str]:
        """The overview of each acquisition, and the foci of all channels of those in several."""
        overview, foci = map(self.file, ("overview.png", "foci.csv"))
        return [overview.format(sample=name) for name in self.acquisitions] + [
            foci.format(sample=name) for name in self.channels
        ]

    @property
    def alignment(self) -> str:
        """The file of the deviations of the imager that the workflow finds."""
        return f"{self.config.results}/alignment/imager.yaml"

    def imager_corrections(self) -> list[str]:
        """The file of the deviations of the imager to reconstruct with, if there is one."""
        imager = self.config.reconstruct.imager
        return [self.alignment if imager == ALIGNED else imager] if imager else []
