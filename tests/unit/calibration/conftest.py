import pytest
import ray_sum

from foci3d.calibration.acceptance_fit import AcceptanceFit, fit_acceptance
from foci3d.calibration.frame_model import Frame


@pytest.fixture(scope="session")
def scan() -> list[Frame]:
    return ray_sum.make_scan()


@pytest.fixture(scope="session")
def fit(scan: list[Frame]) -> AcceptanceFit:
    return fit_acceptance(scan, 1.0)
