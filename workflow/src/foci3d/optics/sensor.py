"""Read-out of sensors: shot noise, read noise, saturation and analogue-to-digital conversion."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from foci3d.config.imager import SensorConfig


def detect_electrons(
    expected: Tensor, read_noise_electrons: float | Tensor, source: torch.Generator | np.random.Generator
) -> Tensor:
    """Electrons that are detected: shot noise and Gaussian read noise.

    Parameters
    ----------
    expected : Tensor (...)
        Expected electrons.
    read_noise_electrons : float or Tensor
        Standard deviation of the read noise [electrons].
    source : torch.Generator or numpy.random.Generator
        Source of the random numbers; that of torch on the device of `expected`.

    Returns
    -------
    Tensor (...)
        Electrons.
    """
    if isinstance(source, np.random.Generator):
        electrons = torch.from_numpy(source.poisson(expected.numpy()))
        noise = torch.from_numpy(source.standard_normal(expected.shape))
    else:
        electrons = torch.poisson(expected, source)
        noise = torch.randn(expected.shape, generator=source, device=expected.device)
    return electrons + read_noise_electrons * noise


@dataclass(frozen=True)
class Sensor:
    """A sensor that turns light into readings.

    Parameters
    ----------
    full_scale : float
        Light, and reading, of a full pixel [a.u.].
    full_well_electrons : float
        Electrons of a full pixel; 0 for a sensor without noise, saturation and conversion.
    read_noise_electrons : float
        Standard deviation of the read noise [electrons].
    n_steps : int
        Steps of the analogue-to-digital converter from 0 to a full pixel.
    offset_electrons : float
        Added before the conversion [electrons].

    Examples
    --------
    >>> sensor = Sensor(full_scale=1.0, full_well_electrons=1000.0, read_noise_electrons=0.0, n_steps=10)
    >>> sensor.read(torch.tensor([0.0, 5.0]), torch.Generator().manual_seed(0))
    tensor([0., 1.])
    """

    full_scale: float
    full_well_electrons: float
    read_noise_electrons: float
    n_steps: int
    offset_electrons: float = 0.0

    @classmethod
    def from_config(cls, config: SensorConfig) -> Self:
        """Sensor of the configuration."""
        steps = 2**config.adc_bits - 1
        return cls(config.full_scale, config.full_well_electrons, config.read_noise_electrons, steps)

    def read(self, light: Tensor, source: torch.Generator | np.random.Generator) -> Tensor:
        """Readings of `light (...)` from 0 to `full_scale` [a.u.]; `source` as in `detect_electrons`."""
        if not self.full_well_electrons:
            return light
        expected = light * (self.full_well_electrons / self.full_scale)
        electrons = detect_electrons(expected, self.read_noise_electrons, source) + self.offset_electrons
        steps = ((electrons / self.full_well_electrons).clamp(0, 1) * self.n_steps).round()
        return steps * (self.full_scale / self.n_steps)

    def variance(self, level: float) -> float:
        """Variance of readings around the mean `level` by shot, read and conversion noise, unsaturated [a.u.^2]."""
        if not self.full_well_electrons:
            return 0.0
        per_electron = self.full_scale / self.full_well_electrons
        adc_step = self.full_scale / self.n_steps
        return per_electron * level + (per_electron * self.read_noise_electrons) ** 2 + adc_step**2 / 12
