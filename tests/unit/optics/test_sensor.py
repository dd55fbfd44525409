"""Read-out of sensors: closed forms, and the bytes of each simulation that uses them."""

import hashlib

import numpy as np
import pytest
import torch

from foci3d.calibration.bead_scan import simulate_scan
from foci3d.config.imager import ScanSimulationConfig, SensorConfig
from foci3d.config.training import ImagerRangesConfig
from foci3d.learning.imagers import add_noise
from foci3d.optics.acceptance import AngularAcceptance
from foci3d.optics.sensor import Sensor


@pytest.fixture
def sensor():
    return SensorConfig(full_scale=4.0, full_well_electrons=2e4, read_noise_electrons=30.0, adc_bits=12)


def readings(value, sensor, count=200_000, seed=0):
    light = torch.full((count,), value)
    return Sensor.from_config(sensor).read(light, torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("value", [0.2, 1.0, 2.0, 3.2])
def test_variance_of_readings_is_that_of_shot_read_and_conversion_noise(sensor, value):
    sample = readings(value, sensor)
    assert sample.mean().item() == pytest.approx(value, rel=1e-3)
    expected = 4.0 / 2e4 * value + (30 * 4.0 / 2e4) ** 2 + (4.0 / 4095) ** 2 / 12
    assert Sensor.from_config(sensor).variance(value) == pytest.approx(expected)
    assert sample.var().item() == pytest.approx(expected, rel=0.02)


def test_sensors_without_noise_read_the_light_itself():
    assert (readings(1.23, SensorConfig(), count=5) == torch.tensor(1.23)).all()
    assert Sensor.from_config(SensorConfig()).variance(1.0) == 0


def test_readings_saturate_and_are_quantized(sensor):
    assert (readings(5.0, sensor) == 4.0).all()
    coarse = readings(1.0, sensor.model_copy(update={"adc_bits": 3}))
    steps = coarse / 4.0 * 7
    torch.testing.assert_close(steps, steps.round())
    assert readings(0.0, sensor).min() == 0


def imager_readings():
    light = torch.rand(2, 9, 9, generator=torch.Generator().manual_seed(1)) * 6
    sensor = Sensor.from_config(SensorConfig(full_well_electrons=2e4, read_noise_electrons=20.0))
    return sensor.read(light, torch.Generator().manual_seed(2)).numpy()


def random_imager_readings():
    light = torch.rand(6, 2, 9, 9, generator=torch.Generator().manual_seed(3)) * 6
    optics = {"fwhm_deg": (25, 45), "standoff_um": (0, 100), "linear_fill_factor": (0.7, 1)}
    sensors = {"pixel_pitch_um": (40, 80), "sensor_separation_um": (800, 1200), "read_noise_electrons": (10, 50)}
    noise = {"n_imagers": 2, "noisy_share": 0.5, "full_well_electrons": (1e4, 1e6)}
    return add_noise(light, ImagerRangesConfig(**optics, **sensors, **noise), torch.Generator().manual_seed(4)).numpy()


def scan_readings(saturation):
    simulation = ScanSimulationConfig(
        depths_um=[100, 400],
        frame_pixels=31,
        n_beads=3,
        peak_electrons=500,
        read_noise_electrons=20,
        background_electrons=100,
    )
    acceptance = AngularAcceptance(fwhm_deg=36.0, standoff_um=20.0, linear_fill_factor=1.0)
    return simulate_scan(acceptance, simulation, 55.0, saturation, np.random.default_rng(5))


# Digests of 3b729bf, where each of the three simulations had an implementation of its own.
@pytest.mark.parametrize(
    ("simulate", "digest"),
    [
        (imager_readings, "21cea9764e4061b4"),
        (random_imager_readings, "e93a5777bcdd3e77"),
        (lambda: scan_readings(4095.0), "0bdc167b94e41351"),
        (lambda: scan_readings(500.0), "ec73f56e5af48573"),
    ],
    ids=["imager", "random imagers", "scan", "saturated scan"],
)
def test_readings_keep_their_bytes(simulate, digest):
    assert hashlib.sha256(np.ascontiguousarray(simulate()).tobytes()).hexdigest()[:16] == digest
