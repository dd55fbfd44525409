"""The perturbations under which trained networks are tested: differences from the calibrated imager and the specimens.

The effect of each on the measurements is a function of `foci3d.simulation.perturbations`, registered for it there.
"""

from dataclasses import dataclass

from foci3d.config.registry import Spec, SpecRegistry
from foci3d.config.units import ELECTRONS, MICROMETRE, NO_UNIT, PER_MILLIMETRE, PERCENT, Unit


@dataclass(frozen=True, kw_only=True)
class Perturbation(Spec):
    """A difference from the calibrated imager, or from the specimens that networks are trained for.

    Parameters
    ----------
    name : str
        Its name in tables.
    label, axis_label : str
        What it is, in words, in tables and on the horizontal axis of figures.
    amounts : str, optional
        Key of `foci3d.config.studies.RobustnessConfig` that lists the amounts; None for a perturbation without.
    unit : Unit
        Unit in which tables and figures show the amount.
    is_signed : bool
        Whether amounts are deviations, above or below 0.
    zero_is_calibrated : bool
        Whether an amount of 0 is the calibrated imager.
    is_logarithmic : bool
        Whether figures show the amounts on a logarithmic axis.
    minimum_layers, minimum_sensors : int
        Layers and sensors of the samples that it makes sense for.
    """

    label: str
    axis_label: str = ""
    amounts: str | None = None
    unit: Unit = NO_UNIT
    is_signed: bool = False
    zero_is_calibrated: bool = True
    is_logarithmic: bool = False
    minimum_layers: int = 1
    minimum_sensors: int = 1

    def describe(self, amount: float) -> str:
        """The perturbation at an amount, in words.

        >>> PSF_WIDTH_ERROR.describe(0.25)
        'width of the PSF +25 %'
        """
        if self.amounts is None:
            return self.label
        return f"{self.label} {self.unit.scale * amount:{'+' if self.is_signed else ''}g} {self.unit.symbol}"


PERTURBATIONS: SpecRegistry[Perturbation] = SpecRegistry("perturbation")

UNPERTURBED = PERTURBATIONS.register(Perturbation(name="none", label="as calibrated"))
PSF_WIDTH_ERROR = PERTURBATIONS.register(
    Perturbation(
        name="psf_width_error",
        label="width of the PSF",
        axis_label="PSF width,\nerror [%]",
        amounts="psf_width_errors",
        unit=PERCENT,
        is_signed=True,
    )
)
NOISE = PERTURBATIONS.register(
    Perturbation(
        name="full_well_electrons",
        label="noise, full well",
        axis_label="full well\n[electrons]",
        amounts="full_well_electrons",
        unit=ELECTRONS,
        zero_is_calibrated=False,
        is_logarithmic=True,
    )
)
SCATTER = PERTURBATIONS.register(
    Perturbation(
        name="scatter_per_mm",
        label="scatter",
        axis_label="scatter\n[1/mm]",
        amounts="scatter_per_mm",
        unit=PER_MILLIMETRE,
    )
)
LAYER_SPACING = PERTURBATIONS.register(
    Perturbation(
        name="layer_spacing_um",
        label="equidistant layers",
        axis_label="distance of\nlayers [µm]",
        amounts="layer_spacings_um",
        unit=MICROMETRE,
        zero_is_calibrated=False,
        minimum_layers=2,
    )
)
LATERAL_OFFSET = PERTURBATIONS.register(
    Perturbation(
        name="lateral_offset_um",
        label="sensor B displaced in x",
        axis_label="sensor B,\noffset [µm]",
        amounts="lateral_offsets_um",
        unit=MICROMETRE,
        is_signed=True,
        minimum_sensors=2,
    )
)
SEPARATION_ERROR = PERTURBATIONS.register(
    Perturbation(
        name="separation_error_um",
        label="sensor separation",
        axis_label="separation,\nerror [µm]",
        amounts="separation_errors_um",
        unit=MICROMETRE,
        is_signed=True,
        minimum_sensors=2,
    )
)
