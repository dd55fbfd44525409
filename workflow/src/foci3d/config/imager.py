"""Settings of the imager, of its point-spread function, and of what light meets on its way to the pixels.

The sections of all three PSF sources are always present: an overlay is merged into `config.yaml` key by key, so a
union on `psf.source` would refuse the keys that `config.yaml` holds for the other sources.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from foci3d.config.fields import Count, Interval, Many, NonNegative, Positive, Section, Text, key

SCAN_DEPTHS_UM = (25.0, 50.0, 100.0, 150.0, *(100.0 * step for step in (2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20)))


class ImagerConfig(Section):
    """The imager."""

    n_pixels: int = key("pixels of a measurement in y and in x", ge=16)
    pixel_pitch_um: Positive = key("distance between neighbouring pixels [um]")
    sensor_separation_um: Positive = key("distance between sensor A and sensor B [um]")


class OpticsConfig(Section):
    """Optics of the imager as designed: the angular acceptance of its pixels."""

    fwhm_deg: float = key("full width at half maximum of the angular acceptance [degrees]", gt=0, lt=180)
    standoff_um: NonNegative = key("thickness of filter and passivation above the pixels [um]")
    linear_fill_factor: float = key("light-sensitive width of a pixel [pitches] [assumed]", 1.0, gt=0, le=1)


class ScanConfig(Section):
    """A z-scan of beads or pinholes."""

    stack: Text = key("TIFF stack, one frame per depth, or `simulated`: a pinhole scan of psf.optics", "simulated")
    depths: Text = key("CSV file with the column depth_um, one row per frame, or `simulated`", "simulated")
    pixel_pitch_um: Positive = key("pixel pitch of the frames, also another than the imager's [um] [assumed]", 55.0)
    saturation: Positive = key("reading at which a pixel is saturated, as of a 12-bit ADC", 4095.0)


class ScanSimulationConfig(Section):
    """The simulated scan."""

    depths_um: Annotated[Many[Positive], Field(min_length=2)] = key("depth of each frame [um]", SCAN_DEPTHS_UM)
    frame_pixels: int = key("pixels of a frame in y and in x; more show the tails of the kernels", 101, ge=16)
    n_beads: Count = key("pinholes in a frame", 3)
    peak_electrons: Positive = key("electrons in the brightest pixel of each frame", 500.0)
    read_noise_electrons: NonNegative = key("standard deviation of the read noise [electrons]", 20.0)
    background_electrons: NonNegative = key("mean background [electrons]", 100.0)


class PsfConfig(Section):
    """The point-spread function."""

    source: Literal["scan", "optics", "file"] = key("a z-scan of beads, the designed optics, or your kernels", "scan")
    kernel_model: Literal["parametric", "radial", "empirical"] = key(
        "kernels of a scan: fitted, or measured profile or image, which need depth_range_um inside the scan",
        "parametric",
    )
    depth_range_um: Interval = key("depths that the kernels cover [um]")
    depth_step_um: Positive = key("depth between kernels, interpolated in between [um]", 5.0)
    scan: ScanConfig = key("a bead or pinhole scan", ScanConfig)
    simulation: ScanSimulationConfig = key("the simulated scan", ScanSimulationConfig)
    optics: OpticsConfig = key("the imager's optics as designed")
    file: Text = key("HDF5 file of kernels (depth, y, x) and depths_um for the source `file`, or `none`", "none")
    width_relative_sd: float = key("relative standard deviation of the real PSF's width", 0.0, ge=0, lt=0.3)


class SpecimenConfig(Section):
    """What happens to light in the specimen, and its motion; 0 turns an effect off."""

    scatter_per_mm: NonNegative = key("reduced scattering coefficient; valid for depths up to its inverse [1/mm]", 0.0)
    absorption_per_mm: NonNegative = key("absorption coefficient, attenuates far layers [1/mm]", 0.0)
    motion_um: NonNegative = key("longest path of the specimen during an exposure, uniform from 0 [um]", 0.0)
    margin_pixels: int = key("scene beyond each edge of the image [pixels]", 0, ge=0, le=200)


class IlluminationConfig(Section):
    """The laser beam that excites the specimen."""

    beam_radius_um: NonNegative = key("radius at which the beam has fallen to 1/e^2, or 0: even light [um]", 0.0)
    beam_offset_um: NonNegative = key("standard deviation of the beam's centre in x and in y [um]", 0.0)


class SensorConfig(Section):
    """Noise and read-out of a sensor."""

    full_scale: Positive = key("image value of a full pixel; cells have a mean of gain [a.u.]", 8.0)
    full_well_electrons: NonNegative = key("electrons of a full pixel, or 0: no noise, saturation or ADC", 0.0)
    read_noise_electrons: NonNegative = key("standard deviation of the read noise [electrons]", 0.0)
    adc_bits: int = key("bits of the analogue-to-digital converter", 12, ge=1, le=24)
