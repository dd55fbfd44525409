import pytest
import ray_sum

from foci3d.calibration.acceptance_fit import AcceptanceFit, fit_acceptance
from foci3d.calibration.bead_scan import Scan


@pytest.fixture(scope="session")
def scan() -> Scan:
    return ray_sum.make_scan()


@pytest.fixture(scope="session")
def fit(scan: Scan) -> AcceptanceFit:
    return fit_acceptance(scan, 1.0)
