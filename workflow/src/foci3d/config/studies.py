"""Keys of the optional studies; each default tests or compares nothing, or is what `docs/robustness.md` states."""

from typing import Annotated, NamedTuple

from pydantic import Field

from foci3d.config.fields import Count, Many, Names, NonNegative, Positive, Section, Seeds, key


class SeedReplicate(NamedTuple):
    """A network that is trained again with another seed."""

    network: str
    seed: int


class SeedReplicatesConfig(Section):
    """Networks that are trained again with other seeds."""

    networks: Names = key("networks", ())
    seeds: Seeds = key("seeds of the trainings, other than the root seed", (2023, 2024))

    @property
    def by_name(self) -> dict[str, SeedReplicate]:
        """The replicates by name, ``network-seed``."""
        replicates = (SeedReplicate(network, seed) for network in self.networks for seed in self.seeds)
        return {f"{replicate.network}-{replicate.seed}": replicate for replicate in replicates}


class RobustnessConfig(Section):
    """Imagers and specimens on which trained networks are tested, without training again."""

    networks: Names = key("networks that are tested, each on the test split of its dataset", ())
    n_samples: Count = key("test samples, or all where there are fewer", 200)
    psf_width_errors: Many[Annotated[float, Field(gt=-1, lt=1)]] = key(
        "relative errors of the PSF's width", (-0.25, -0.1, 0.1, 0.25)
    )
    full_well_electrons: Many[Positive] = key("electrons of a full pixel, with noise [assumed]", (2e3, 2e4, 2e5))
    read_noise_electrons: NonNegative = key("standard deviation of that read noise [electrons] [assumed]", 20.0)
    lateral_offsets_um: Many[float] = key("displacement of sensor B in x [um]", (25.0, 50.0, 100.0))
    scatter_per_mm: Many[Positive] = key("reduced scattering coefficient of the tissue [1/mm]", (0.2, 0.5, 0.87))
    layer_spacings_um: Many[Positive] = key("distance between equidistant layers [um]", (100.0, 150.0, 200.0, 300.0))
    separation_errors_um: Many[float] = key("real minus assumed sensor separation [um]", (-100.0, -50.0, 50.0, 100.0))
