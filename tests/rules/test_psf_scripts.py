"""The scripts of psf.smk and the calibration's figure: a scan is simulated, calibrated, imported and drawn."""

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
import torch

from foci3d.optics import Acceptance, Psf, acceptance_kernels

IMAGER = {"pixels": 20, "pixel_pitch_um": 55.0, "sensor_separation_um": 1000.0}
OPTICS = {"fwhm_deg": 36.0, "standoff_um": 20.0, "aperture": 1.0}
GRID = {"depth_range_um": [50, 800], "depth_step_um": 50, "imager": IMAGER}
SIMULATION = {
    "depths_um": [25, 100, 250, 500, 1000],
    "frame_pixels": 51,
    "beads": 2,
    "peak_electrons": 500,
    "read_noise_electrons": 20,
    "background_electrons": 100,
}


def simulate(run_script, folder, seed=1, **changes):
    paths = {"stack": str(folder / "scan.tiff"), "depths": str(folder / "scan.csv")}
    params = {"simulation": SIMULATION | changes, "optics": OPTICS, "pixel_pitch_um": 55.0, "saturation": 4095}
    run_script("simulate_scan", output=paths, params=params | {"seed": seed})
    return paths


def calibrate(run_script, folder, scan, **changes):
    paths = {"psf": str(folder / "scan.h5"), "profiles": str(folder / "p.csv"), "widths": str(folder / "w.csv")}
    params = GRID | {"scan_pitch_um": 55.0, "saturation": 4095, "aperture": 1.0, "kernel": "model"} | changes
    log = run_script("calibrate_psf", input=scan, output=paths, params=params)
    return paths, log


@pytest.fixture
def scan(run_script, tmp_path):
    return simulate(run_script, tmp_path)


@pytest.fixture
def stack(tmp_path):
    """Write a user's kernel stack, with changes; returns its path."""

    def write(kernels=None, depths_um=(0, 300, 1000), pitch_um=55.0, names=("kernels", "depths_um")):
        if kernels is None:
            depths = torch.tensor([0.0, 300.0, 1000.0])
            kernels = acceptance_kernels(Acceptance(**OPTICS), depths, 20, 55.0).numpy()
        with h5py.File(tmp_path / "mine.h5", "w") as file:
            file[names[0]], file[names[1]] = kernels, np.asarray(depths_um, float)
            if pitch_um is not None:
                file.attrs["pixel_pitch_um"] = pitch_um
        return tmp_path / "mine.h5"

    return write


def bring_in(run_script, path, folder, **changes):
    run_script(
        "import_psf", input={"kernels": str(path)}, output={"psf": str(folder / "file.h5")}, params=GRID | changes
    )
    return Psf.load(folder / "file.h5")


def refusal(run_script, tmp_path, rule, *arguments, **keywords):
    """The one sentence with which a script ends."""
    with pytest.raises(SystemExit):
        {"import_psf": bring_in, "calibrate_psf": calibrate}[rule](run_script, *arguments, **keywords)
    text = (tmp_path / f"{rule}.log").read_text()
    assert "Traceback" not in text
    return text.strip().splitlines()[-1]


def test_simulated_scan_is_a_plain_scan_and_reproducible(run_script, scan, tmp_path):
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


def test_calibration_finds_the_optics_of_the_simulation(run_script, scan, tmp_path):
    paths, log = calibrate(run_script, tmp_path, scan)
    psf = Psf.load(paths["psf"])
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


@pytest.mark.parametrize("kernel", ["radial", "free"])
def test_calibration_stores_the_kernels_asked_for(run_script, scan, tmp_path, kernel):
    paths, _ = calibrate(run_script, tmp_path, scan, kernel=kernel)
    psf = Psf.load(paths["psf"])
    assert psf.attributes["kernel"] == kernel
    assert psf.kernels.min() >= 0
    torch.testing.assert_close(psf.kernels.sum((1, 2)), torch.ones(16))


def test_calibration_refuses_what_it_cannot_use(run_script, scan, tmp_path):
    def refused(**changes):
        return refusal(run_script, tmp_path, "calibrate_psf", tmp_path, scan, **changes)

    assert "scan.tiff" in refused(saturation=400)
    assert "psf.depth_range_um: 0 to 800 um is not within the scan's 25 to 1000 um" in refused(
        kernel="free", depth_range_um=[0, 800]
    )
    (tmp_path / "scan.csv").write_text("depth_um\n0.025\n0.1\n0.25\n0.5\n1\n")
    assert "as if in millimetres" in refused()


def test_model_psf(run_script, tmp_path):
    output = {"psf": str(tmp_path / "optics.h5")}
    run_script("model_psf", output=output, params=GRID | {"optics": OPTICS, "depth_range_um": [0, 1000]})
    psf = Psf.load(output["psf"])
    assert psf.attributes == {"source": "optics", **OPTICS}
    expected = acceptance_kernels(Acceptance(**OPTICS), psf.depths_um.double(), 20, 55.0)
    assert psf.depths_um.tolist() == list(range(0, 1001, 50))
    assert torch.equal(psf.kernels, expected.float())


def test_import_normalises_and_interpolates(run_script, stack, tmp_path):
    kernels = acceptance_kernels(Acceptance(**OPTICS), torch.tensor([0.0, 300.0, 1000.0]), 20, 55.0).float()
    psf = bring_in(run_script, stack(1000 * kernels.numpy()), tmp_path)
    torch.testing.assert_close(psf.kernels[5], kernels[1])  # 300 um
    torch.testing.assert_close(psf.kernels[2], 0.5 * kernels[0] + 0.5 * kernels[1])  # 150 um
    assert psf.attributes["source"] == "file"


def test_import_takes_our_own_file(run_script, stack, tmp_path):
    psf = bring_in(run_script, stack(), tmp_path)
    again = bring_in(run_script, tmp_path / "file.h5", tmp_path)
    torch.testing.assert_close(again.kernels, psf.kernels)


@pytest.mark.parametrize("pixels", [15, 25])
def test_import_fits_kernels_to_the_imager(run_script, stack, tmp_path, pixels):
    depths_um = torch.tensor([0.0, 300.0, 1000.0])
    psf = bring_in(run_script, stack(acceptance_kernels(Acceptance(**OPTICS), depths_um, pixels, 55.0)), tmp_path)
    expected = acceptance_kernels(Acceptance(**OPTICS), torch.tensor([300.0]), 20, 55.0)[0].float()
    torch.testing.assert_close(psf.kernels[5], expected, rtol=1e-3, atol=1e-5)


def changed(index, value, size=39):
    kernels = np.zeros((3, size, size))
    kernels[:, size // 2, size // 2] = 1
    kernels[index] = value
    return kernels


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernels": changed((1, 3, 3), -0.1)}, "kernel 1 has values that are negative"),
        ({"kernels": changed((2, 3, 3), np.nan)}, "kernel 2 has values that are negative or no numbers"),
        ({"kernels": changed(1, 0)}, "kernel 1 is empty"),
        ({"kernels": np.roll(changed((0, 0, 0), 0), 2, axis=1)}, "of kernel 0 is +2.0 pixels in y and +0.0 in x"),
        ({"kernels": np.ones((3, 38, 38))}, "38 x 38 pixels; expected squares of an odd number"),
        ({"kernels": np.ones((3, 39, 37))}, "39 x 37 pixels; expected squares"),
        ({"kernels": np.ones((39, 39))}, "kernels have the shape (39, 39)"),
        ({"depths_um": [0, 300]}, "depths_um (2,); expected (depth, y, x) and (depth)"),
        ({"depths_um": [0, 1000, 300]}, "depths_um are no increasing numbers"),
        ({"depths_um": [0, 0.3, 1.0]}, "as if in millimetres"),
        ({"depths_um": [0, 300, 700]}, "its kernels cover 0 to 700 um; expected psf.depth_range_um, 50 to 800 um"),
        ({"pitch_um": 40.0}, "pixel_pitch_um is 40.0; expected the imager's 55 um"),
        ({"pitch_um": None}, "pixel_pitch_um is None; expected the imager's 55 um"),
        (
            {"names": ("psf", "depths_um")},
            "found ['depths_um', 'psf']; expected arrays kernels",
        ),
    ],
)
def test_import_refuses_what_breaks_a_convention(run_script, stack, tmp_path, changes, message):
    sentence = refusal(run_script, tmp_path, "import_psf", stack(**changes), tmp_path)
    assert "mine.h5: " in sentence
    assert message in sentence


def test_import_refuses_what_is_no_hdf5_file(run_script, tmp_path):
    (tmp_path / "mine.h5").write_text("no HDF5")
    assert "not a readable HDF5 file" in refusal(run_script, tmp_path, "import_psf", tmp_path / "mine.h5", tmp_path)


def test_figure_of_a_calibration(run_script, scan, tmp_path):
    paths, _ = calibrate(run_script, tmp_path, scan)
    output = {"fig_psf": str(tmp_path / "fig_psf.png"), "fig_psf_svg": str(tmp_path / "fig_psf.svg")}
    run_script("fig_psf", input=paths, output=output)
    drawn = (tmp_path / "fig_psf.svg").read_bytes()
    run_script("fig_psf", input=paths, output=output)
    assert (tmp_path / "fig_psf.svg").read_bytes() == drawn
    run_script("fig_psf", input={"psf": paths["psf"]}, output=output)
    assert len((tmp_path / "fig_psf.svg").read_bytes()) < len(drawn)
