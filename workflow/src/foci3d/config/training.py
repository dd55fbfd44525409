"""How a network is trained, and for which imagers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from foci3d.config.fields import Count, Interval, NonNegative, Positive, PositiveInterval, Section


class ImagerRangesConfig(Section):
    """Imagers that one network is trained for; each has its own optics, uniform in these intervals."""

    n_imagers: Count = Field(description="imagers; each step has one of them")
    fwhm_deg: PositiveInterval = Field(description="full width at half maximum of the angular acceptance [degrees]")
    standoff_um: Interval = Field(description="thickness of filter and passivation above the pixels [um]")
    linear_fill_factor: PositiveInterval = Field(description="light-sensitive width of a pixel [pitches]")
    pixel_pitch_um: PositiveInterval = Field(description="distance between neighbouring pixels [um]")
    sensor_separation_um: PositiveInterval = Field(
        description="distance between two sensors [um]; the depths of the dataset are scaled with it"
    )
    noisy_share: float = Field(ge=0, le=1, description="share of samples with shot noise and read noise")
    full_well_electrons: PositiveInterval = Field(description="electrons of the brightest pixel, log-uniform")
    read_noise_electrons: Interval = Field(description="standard deviation of the read noise [electrons]")


class TrainingConfig(Section):
    """How a network is trained."""

    max_steps: Count = Field(default=5000, description="optimiser steps")
    batch_size: Count = Field(default=16, description="samples in a step")
    optimizer: Literal["adamw", "muon"] = Field(
        default="adamw", description="optimizer; muon: Muon for hidden layers, AdamW beside it"
    )
    max_learning_rate: Positive = Field(default=0.002, description="peak of the one-cycle schedule")
    weight_decay: NonNegative = Field(default=0.01, description="weight decay")
    weight_averaging: float = Field(
        default=0.0, ge=0, lt=1, description="decay per step of the weights' moving average, or 0"
    )
    augment: bool = Field(
        default=True, description="flips, rotations and, where it is exact, the exchange of the sensors"
    )
    resample_stacks: bool = Field(
        default=True, description="new combinations and depths of the stored layers in each step"
    )
    imagers: ImagerRangesConfig | None = Field(
        default=None,
        description="imagers with other optics and noise to train for, or null: the configured imager alone",
    )
    validation_interval: Count = Field(default=250, description="steps between validations")
    patience: Count = Field(default=30, description="validations without a new best before stopping")
