"""The scripts of psf.smk and the calibration's figure: a scan is simulated, calibrated, imported and drawn."""

from dataclasses import asdict

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
import torch

from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.psf import PSF

OPTICS = AngularAcceptance(fwhm_deg=36.0, standoff_um=20.0, linear_fill_factor=1.0)
GRID = {"depth_range_um": [50, 800], "depth_step_um": 50, "n_pixels": 20, "pixel_pitch_um": 55.0}
SIMULATION = {
    "depths_um": [25, 100, 250, 500, 1000],
    "frame_pixels": 51,
    "n_beads": 2,
    "peak_electrons": 500,
    "read_noise_electrons": 20,
    "background_electrons": 100,
}


def simulate(run_script, folder, seed=1, **changes):
    paths = {"stack": str(folder / "scan.tiff"), "depths": str(folder / "scan.csv")}
    params = {"simulation": SIMULATION | changes, "optics": asdict(OPTICS), "pixel_pitch_um": 55.0, "saturation": 4095}
    run_script("simulate_scan", output=paths, params=params | {"seed": seed})
    return paths


def calibrate(run_script, folder, scan, **changes):
    paths = {"psf": str(folder / "scan.h5"), "profiles": str(folder / "p.csv"), "widths": str(folder / "w.csv")}
    params = (
        GRID
        | {"scan_pitch_um": 55.0, "saturation": 4095, "linear_fill_factor": 1.0, "kernel_model": "parametric"}
        | changes
    )
    log = run_script("calibrate_psf", input=scan, output=paths, params=params)
    return paths, log


@pytest.fixture
def scan(run_script, tmp_path):
    return simulate(run_script, tmp_path)


@pytest.fixture
def stack(tmp_path):
    """A user's own stack of kernels."""
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        file["kernels"] = acceptance_kernels(OPTICS, torch.tensor([0.0, 300.0, 1000.0]), 20, 55.0).numpy()
        file["depths_um"] = [0.0, 300.0, 1000.0]
        file.attrs["pixel_pitch_um"] = 55.0
    return tmp_path / "mine.h5"


def test_simulated_scan_is_a_scan_and_reproducible(run_script, scan, tmp_path):
    frames = tifffile.imread(scan["stack"])
    assert (frames.dtype, frames.shape) == (np.uint16, (5, 51, 51))
    assert frames.min() > 0
    assert frames.max() < 4095
    assert pd.read_csv(scan["depths"])["depth_um"].tolist() == SIMULATION["depths_um"]
    before = (tmp_path / "scan.tiff").read_bytes()
    simulate(run_script, tmp_path)
    assert (tmp_path / "scan.tiff").read_bytes() == before
    simulate(run_script, tmp_path, seed=2)
    assert (tmp_path / "scan.tiff").read_bytes() != before


def test_calibration_recovers_the_optics_of_the_simulation(run_script, scan, tmp_path):
    paths, log = calibrate(run_script, tmp_path, scan)
    psf = PSF.load(paths["psf"])
    assert psf.depths_um.tolist() == list(range(50, 801, 50))
    assert psf.kernels.shape == (16, 39, 39)
    assert psf.attributes["fwhm_deg"] == pytest.approx(36, rel=0.02)
    assert psf.attributes["standoff_um"] == pytest.approx(20, abs=10)
    assert "from 2 beads at 5 depths" in log
    widths, profiles = pd.read_csv(paths["widths"]), pd.read_csv(paths["profiles"])
    assert list(widths) == ["depth_um", "fwhm_um", "fwhm_se_um", "fitted_fwhm_um"]
    assert list(profiles) == ["depth_um", "radius_um", "measured", "measured_se", "fitted", "residual"]
    assert widths["depth_um"].tolist() == SIMULATION["depths_um"]
    with h5py.File(paths["psf"]) as file:
        assert file["measured_kernels"].shape == (5, 39, 39)
        assert file["profiles"].shape == (5, len(file["profile_radii_um"]))


@pytest.mark.parametrize("kernel_model", ["radial", "empirical"])
def test_calibration_stores_the_requested_kernels(run_script, scan, tmp_path, kernel_model):
    paths, _ = calibrate(run_script, tmp_path, scan, kernel_model=kernel_model)
    psf = PSF.load(paths["psf"])
    assert psf.attributes["kernel_model"] == kernel_model
    assert psf.kernels.min() >= 0
    torch.testing.assert_close(psf.kernels.sum((1, 2)), torch.ones(16))


def test_unsuitable_scan_is_reported_in_one_line(run_script, scan, tmp_path):
    def refused(**changes):
        with pytest.raises(SystemExit):
            calibrate(run_script, tmp_path, scan, **changes)
        log = (tmp_path / "calibrate_psf.log").read_text()
        assert "Traceback" not in log
        return log.splitlines()[-1]

    assert "scan.tiff: " in refused(saturation=400)
    assert "psf.depth_range_um: 0 to 800 um is not within the depths of the scan, 25 to 1000 um" in refused(
        kernel_model="empirical", depth_range_um=[0, 800]
    )
    (tmp_path / "scan.csv").write_text("depth_um\n0.025\n0.1\n0.25\n0.5\n1\n")
    assert "so the unit may be millimetres" in refused()


def test_model_psf(run_script, tmp_path):
    output = {"psf": str(tmp_path / "optics.h5")}
    run_script("model_psf", output=output, params=GRID | {"optics": asdict(OPTICS), "depth_range_um": [0, 1000]})
    psf = PSF.load(output["psf"])
    provenance = {"configuration", "versions"}
    attributes = {name: value for name, value in psf.attributes.items() if name not in provenance}
    assert attributes == {"source": "optics", **asdict(OPTICS)}
    expected = acceptance_kernels(OPTICS, psf.depths_um.double(), 20, 55.0)
    assert psf.depths_um.tolist() == list(range(0, 1001, 50))
    assert torch.equal(psf.kernels, expected.float())


def test_import_psf(run_script, stack, tmp_path):
    paths = {"input": {"kernels": str(stack)}, "output": {"psf": str(tmp_path / "file.h5")}}
    run_script("import_psf", **paths, params=GRID)
    psf = PSF.load(tmp_path / "file.h5")
    assert psf.depths_um.tolist() == list(range(50, 801, 50))
    assert psf.kernels.shape == (16, 39, 39)
    with pytest.raises(SystemExit):
        run_script("import_psf", **paths, params=GRID | {"depth_range_um": [0, 2000]})
    log = (tmp_path / "import_psf.log").read_text()
    assert "mine.h5: the kernels cover 0 to 1000 um; expected psf.depth_range_um, 0 to 2000 um" in log
    assert "Traceback" not in log


def test_figure_of_a_calibration(run_script, scan, tmp_path):
    paths, _ = calibrate(run_script, tmp_path, scan)
    drawing = tmp_path / "fig_psf.svg"
    output = {"figure": [str(tmp_path / "fig_psf.png"), str(drawing)]}
    run_script("fig_psf", input=paths, output=output)
    first = drawing.read_bytes()
    run_script("fig_psf", input=paths, output=output)
    assert drawing.read_bytes() == first
    run_script("fig_psf", input={"psf": paths["psf"]}, output=output)
    assert len(drawing.read_bytes()) < len(first)
