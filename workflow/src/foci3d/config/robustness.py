"""Keys of the test of networks on imagers and specimens that differ from those they were trained for."""

from typing import Annotated

from pydantic import Field

from foci3d.config.fields import Count, Many, Names, NonNegative, Positive, Section


class RobustnessConfig(Section):
    """Imagers and specimens on which trained networks are tested, without training again."""

    networks: Names = Field(description="networks that are tested, each on the test split of its dataset")
    n_samples: Count = Field(description="test samples, or all where there are fewer")
    psf_width_errors: Many[Annotated[float, Field(gt=-1, lt=1)]] = Field(
        description="relative errors of the PSF's width: real minus calibrated, over calibrated"
    )
    full_well_electrons: Many[Positive] = Field(description="electrons of a full pixel, with shot and read noise")
    read_noise_electrons: NonNegative = Field(description="standard deviation of that read noise [electrons]")
    lateral_offsets_um: Many[float] = Field(description="displacement of sensor B in x [um]")
    scatter_per_mm: Many[Positive] = Field(description="reduced scattering coefficient of the tissue [1/mm]")
    layer_spacings_um: Many[Positive] = Field(
        description="distance between layers, which are equidistant about the mean depth of the samples [um]"
    )
    separation_errors_um: Many[float] = Field(description="real minus assumed distance between the sensors [um]")
