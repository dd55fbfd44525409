"""Keys of the optional studies; each default tests or compares nothing, or is what `docs/robustness.md` states."""

from typing import Annotated, NamedTuple

from pydantic import Field

from foci3d.config.fields import Count, Many, Names, NonNegative, Positive, Section, Seeds


class SeedReplicate(NamedTuple):
    """A network that is trained again with another seed."""

    network: str
    seed: int


class SeedReplicatesConfig(Section):
    """Networks that are trained again with other seeds."""

    networks: Names = Field(default=(), description="networks")
    seeds: Seeds = Field(default=(2023, 2024), description="seeds of the trainings, other than the root seed")

    @property
    def by_name(self) -> dict[str, SeedReplicate]:
        """The replicates by name, ``network-seed``."""
        replicates = (SeedReplicate(network, seed) for network in self.networks for seed in self.seeds)
        return {f"{replicate.network}-{replicate.seed}": replicate for replicate in replicates}


class RobustnessConfig(Section):
    """Imagers and specimens on which trained networks are tested, without training again."""

    networks: Names = Field(default=(), description="networks that are tested, each on the test split of its dataset")
    n_samples: Count = Field(default=200, description="test samples, or all where there are fewer")
    psf_width_errors: Many[Annotated[float, Field(gt=-1, lt=1)]] = Field(
        default=(-0.25, -0.1, 0.1, 0.25),
        description="relative errors of the PSF's width: real minus calibrated, over calibrated",
    )
    full_well_electrons: Many[Positive] = Field(
        default=(2e3, 2e4, 2e5), description="electrons of a full pixel, with shot and read noise [assumed]"
    )
    read_noise_electrons: NonNegative = Field(
        default=20.0, description="standard deviation of that read noise [electrons] [assumed]"
    )
    lateral_offsets_um: Many[float] = Field(
        default=(25.0, 50.0, 100.0), description="displacement of sensor B in x [um]"
    )
    scatter_per_mm: Many[Positive] = Field(
        default=(0.2, 0.5, 0.87), description="reduced scattering coefficient of the tissue [1/mm]"
    )
    layer_spacings_um: Many[Positive] = Field(
        default=(100.0, 150.0, 200.0, 300.0),
        description="distance between layers, which are equidistant about the mean depth of the samples [um]",
    )
    separation_errors_um: Many[float] = Field(
        default=(-100.0, -50.0, 50.0, 100.0), description="real minus assumed distance between the sensors [um]"
    )
