"""How a network is trained, and for which imagers."""

from __future__ import annotations

from typing import Literal

from foci3d.config.fields import Count, Interval, NonNegative, Positive, PositiveInterval, Section, key


class NoiseRangesConfig(Section):
    """Noise that the measurements of a training have, different in each sample."""

    noisy_share: float = key("share of samples with shot noise and read noise", ge=0, le=1)
    full_well_electrons: PositiveInterval = key("electrons of the brightest pixel, log-uniform")
    read_noise_electrons: Interval = key("standard deviation of the read noise [electrons]")


class ImagerRangesConfig(NoiseRangesConfig):
    """Imagers that one network is trained for; each has its own optics, uniform in these intervals."""

    n_imagers: Count = key("imagers; each step has one of them in turn, so that as many as steps are never seen twice")
    fwhm_deg: PositiveInterval = key("full width at half maximum of the angular acceptance [degrees]")
    standoff_um: Interval = key("thickness of filter and passivation above the pixels [um]")
    linear_fill_factor: PositiveInterval = key("light-sensitive width of a pixel [pitches]")
    pixel_pitch_um: PositiveInterval = key("distance between neighbouring pixels [um]")
    sensor_separation_um: PositiveInterval = key("distance between two sensors, which scales the depths [um]")


class TrainingConfig(Section):
    """How a network is trained."""

    max_steps: Count = key("optimiser steps", 5000)
    batch_size: Count = key("samples in a step", 16)
    optimizer: Literal["adamw", "muon"] = key("optimizer; muon: Muon for hidden layers, AdamW beside it", "adamw")
    max_learning_rate: Positive = key("peak of the one-cycle schedule", 0.002)
    warmup: float = key("share of the steps in which the learning rate rises to its peak", 0.3, ge=0, lt=1)
    weight_decay: NonNegative = key("weight decay", 0.01)
    weight_averaging: float = key("decay per step of the weights' moving average, or 0", 0.0, ge=0, lt=1)
    frozen_statistics: float = key(
        "share of the steps, the last ones, in which batch normalization has the statistics of predictions",
        0.0,
        ge=0,
        le=1,
    )
    augment: bool = key("flips, rotations and, where it is exact, the exchange of the sensors", True)
    resample_stacks: bool = key("new combinations and depths of the stored layers in each step", True)
    imagers: ImagerRangesConfig | None = key("imagers to train for, or null: the configured one alone", None)
    noise: NoiseRangesConfig | None = key("noise of the configured imager, or null: none; imagers have their own", None)
    maximum_offset: NonNegative = key(
        "largest constant light that half of the samples have added, uniform from 0 for each sensor [mean signal]", 0.0
    )
    margin_pixels: int = key(
        "pixels beyond each edge that half of the samples have light from: layers of other samples, mirrored", 0, ge=0
    )
    validation_interval: Count = key("steps between validations", 250)
    patience: Count = key("validations without a new best before stopping", 30)

    @property
    def noise_ranges(self) -> NoiseRangesConfig | None:
        """Noise of the training, be it of the configured imager or of many."""
        return self.imagers or self.noise
