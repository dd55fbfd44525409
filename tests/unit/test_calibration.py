"""Scan, calibration and measured kernels, on scans that `ray_sum` renders without the project's optics."""

import numpy as np
import pandas as pd
import pytest
import ray_sum
import tifffile
import torch

from foci3d.calibration import fit_acceptance, half_maximum_slope, width_table
from foci3d.errors import InputError
from foci3d.kernels import calibrated_psf, kernels_at, measure_deviations, profile_table, record
from foci3d.optics import Acceptance, Psf, acceptance_kernels, depth_grid
from foci3d.scan import Scan, find_beads, read_scan, simulate_scan

PITCH_UM = 55.0
DEPTHS_UM = [25, 80, 200, 400, 700, 1000]
BEADS = [(13.3, 12.8, 1.0), (32.1, 22.4, 0.8), (14.6, 32.2, 0.7)]
PIXELS = 45
FWHM_DEG, STANDOFF_UM = 36.0, 20.0


def ring_acceptance(angle, _):
    """An acceptance with a bright ring at 25 degrees, far from a Gaussian."""
    degrees = np.degrees(angle)
    return 0.5 ** ((2 * degrees / 30) ** 2) + 0.3 * np.exp(-(((degrees - 25) / 5) ** 2))


def oval_acceptance(angle, direction):
    """An acceptance that is wider along x than along y."""
    width_deg = 36 + 8 * np.cos(2 * direction)
    return 0.5 ** ((2 * np.degrees(angle) / width_deg) ** 2)


def make_scan(acceptance=None, seed=0, pitch_um=PITCH_UM, **camera):
    acceptance = acceptance or ray_sum.gaussian_acceptance(FWHM_DEG)
    light = ray_sum.expected_frames(DEPTHS_UM, BEADS, PIXELS, pitch_um, STANDOFF_UM, 1.0, acceptance)
    frames = ray_sum.readings(light, np.random.default_rng(seed), **camera)
    return Scan(frames.astype(float), np.array(DEPTHS_UM, float), pitch_um, "scan.tif")


def true_kernels(acceptance, depths_um, pixels, pitch_um=PITCH_UM):
    middle_um, size = (pixels - 1) * pitch_um, 2 * pixels - 1
    heights = [depth_um + STANDOFF_UM for depth_um in depths_um]
    kernels = np.array([ray_sum.bead_light(middle_um, middle_um, h, size, pitch_um, 1.0, acceptance) for h in heights])
    return kernels / kernels.sum((1, 2), keepdims=True)


def distances(kernels, truth):
    """Share of the light of each kernel that is elsewhere than it should be."""
    return np.abs(np.asarray(kernels) - truth).sum((1, 2)) / 2


@pytest.fixture(scope="module")
def scan():
    return make_scan()


@pytest.fixture(scope="module")
def fit(scan):
    return fit_acceptance(scan, 1.0)


@pytest.fixture(scope="module")
def measured(scan, fit):
    return measure_deviations(scan, fit, 22)


@pytest.fixture(scope="module")
def ring():
    scan = make_scan(ring_acceptance, peak_electrons=20000, gain=0.05)
    fit = fit_acceptance(scan, 1.0)
    return scan, fit, measure_deviations(scan, fit, 22)


# Reading


@pytest.fixture
def files(tmp_path):
    """Write a scan of flat frames, with changes; returns the two paths."""

    def write(frames=None, depths="depth_um\n100\n200\n300\n", change=None):
        frames = np.full((3, 8, 9), 300, np.uint16) if frames is None else frames
        if change is not None:
            frames[1, 2, 3] = change
        tifffile.imwrite(tmp_path / "scan.tif", frames, photometric="minisblack")
        (tmp_path / "scan.csv").write_text(depths)
        return tmp_path / "scan.tif", tmp_path / "scan.csv"

    return write


def test_read_scan(files, tmp_path):
    frames = np.arange(300, 516, dtype=np.uint16).reshape(3, 8, 9)
    scan = read_scan(*files(frames, "frame,depth_um\n1,100\n2,200.5\n3,300\n"), 40.0, 4095)
    assert np.array_equal(scan.frames, frames)
    assert scan.depths_um.tolist() == [100, 200.5, 300]
    assert scan.pixel_pitch_um == 40.0
    tifffile.imwrite(tmp_path / "scan.ome.tif", frames, metadata={"axes": "ZYX"})
    ome = read_scan(tmp_path / "scan.ome.tif", tmp_path / "scan.csv", 40.0, 4095)
    assert np.array_equal(ome.frames, frames)


@pytest.mark.parametrize(
    ("dtype", "change", "message"),
    [
        (np.uint16, 4095, r"scan.tif: 1 readings .* frame 1, y 2, x 3 is saturated \(4095 or more\)"),
        (np.float32, -1, "frame 1, y 2, x 3 is negative; expected raw readings"),
        (np.float32, np.nan, "frame 1, y 2, x 3 is no number"),
        (np.uint16, 0, "1.4% of the readings in frame 1 are clipped at zero; raise the sensor's offset"),
    ],
)
def test_readings_that_are_no_use_are_refused(files, dtype, change, message):
    with pytest.raises(InputError, match=message):
        read_scan(*files(np.full((3, 8, 9), 300, dtype), change=change), PITCH_UM, 4095)


def test_a_dead_pixel_is_no_clipping(files):
    frames = np.full((3, 40, 40), 300, np.uint16)
    assert read_scan(*files(frames, change=0), PITCH_UM, 4095).frames.min() == 0


@pytest.mark.parametrize(
    ("depths", "message"),
    [
        ("depth_um\n100\n300\n200\n", "scan.csv: depth_um does not increase from row 2 to 3; sort"),
        ("depth_um\n100\n100\n200\n", "does not increase from row 1 to 2"),
        ("depth_um\n100\n200\n", r"2 depths for the 3 frames of .*scan.tif"),
        ("depth_um\n0.1\n0.2\n2.0\n", "the largest depth_um is 2, less than a pixel, as if in millimetres"),
        ("depth\n100\n200\n300\n", r"found the columns \['depth'\]; expected a column depth_um"),
        ("depth_um\n100\n\n300\nfar\n", "depth_um of row 3 is far; expected numbers"),
        ("depth_um\n-5\n200\n300\n", "depth_um of row 1 is -5"),
        ("", "not a readable CSV file"),
    ],
)
def test_wrong_depths_are_refused(files, depths, message):
    with pytest.raises(InputError, match=message):
        read_scan(*files(depths=depths), PITCH_UM, 4095)


def test_wrong_stacks_are_refused(files, tmp_path):
    for shape in ((8, 9), (1, 8, 9), (2, 3, 8, 9)):
        with pytest.raises(InputError, match="expected a stack of at least two grey frames"):
            read_scan(*files(np.full(shape, 300, np.uint16)), PITCH_UM, 4095)
    _, depths = files()
    (tmp_path / "no.tif").write_text("no picture")
    for name in ("no.tif", "absent.tif"):
        with pytest.raises(InputError, match=f"{name}: not a readable TIFF file"):
            read_scan(tmp_path / name, depths, PITCH_UM, 4095)


# Beads


def test_beads_are_found(scan):
    found = find_beads(scan)
    assert len(found) == 3
    for bead in BEADS:
        assert np.abs(found - bead[:2]).max(1).min() < 0.5


def test_a_field_without_beads_is_refused():
    frames = np.random.default_rng(0).normal(300, 10, (2, 60, 60))
    with pytest.raises(InputError, match=r"scan.tif: no bead stands out from the noise"):
        find_beads(Scan(frames, np.array([100.0, 200.0]), PITCH_UM, "scan.tif"))


def test_a_bead_off_the_field_is_refused(scan):
    cut = Scan(scan.frames[:, 12:], scan.depths_um, PITCH_UM, "scan.tif")
    with pytest.raises(InputError, match=r"bead at y 1\.\d, x 12\.\d lies off the field or at its edge"):
        find_beads(cut)


# Fit


def test_fit_recovers_optics_and_noise(scan, fit):
    assert fit.acceptance.fwhm_deg == pytest.approx(FWHM_DEG, rel=0.02)
    assert fit.acceptance.standoff_um == pytest.approx(STANDOFF_UM, abs=10)
    assert fit.acceptance.aperture == 1.0
    centres = fit.centres[np.argsort(fit.centres[:, 1])]
    np.testing.assert_allclose(centres, [bead[:2] for bead in sorted(BEADS, key=lambda bead: bead[1])], atol=0.1)
    # gain 0.5, background 100 and read noise 20 electrons
    assert fit.variance.min() == pytest.approx(0.5**2 * (100 + 20**2), rel=0.1)
    assert fit.variance.max() == pytest.approx(0.5**2 * (600 + 20**2), rel=0.5)
    assert (fit.residuals**2 / fit.variance).mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("fwhm_deg", "standoff_um", "aperture"), [(18, 0, 1.0), (60, 80, 0.6)])
def test_fit_finds_other_optics_without_noise(fwhm_deg, standoff_um, aperture):
    acceptance = ray_sum.gaussian_acceptance(fwhm_deg)
    light = ray_sum.expected_frames(DEPTHS_UM, BEADS[:1], 27, 40.0, standoff_um, aperture, acceptance)
    fit = fit_acceptance(Scan(1000 * light + 50, np.array(DEPTHS_UM, float), 40.0, "scan.tif"), aperture)
    assert fit.acceptance.fwhm_deg == pytest.approx(fwhm_deg, rel=2e-3)
    assert fit.acceptance.standoff_um == pytest.approx(standoff_um, abs=0.7)


@pytest.mark.parametrize(
    ("frames", "depths_um"),
    [(slice(3, None, -1), [25, 80, 200, 400]), (slice(0, 3), [1025, 1080, 1200])],
    ids=["far frames first", "depths from elsewhere"],
)
def test_spots_that_do_not_widen_with_depth_are_refused(frames, depths_um):
    scan = make_scan(peak_electrons=5000)
    wrong = Scan(scan.frames[frames], np.array(depths_um, float), PITCH_UM, "scan.tif")
    with pytest.raises(InputError, match=r"scan.tif: the beads' spots do not widen with depth as they should"):
        fit_acceptance(wrong, 1.0)


def test_intervals_cover_the_truth_at_their_rate():
    """95 % intervals over 40 scans; fewer than 33 hits have a chance of 0.1 % at the stated rate."""
    depths_um = np.array([25.0, 80.0, 200.0, 500.0])
    acceptance = ray_sum.gaussian_acceptance(36.0)
    light = ray_sum.expected_frames(depths_um, [(12.3, 11.8, 1)], 25, PITCH_UM, 20.0, 1.0, acceptance)
    scores = []
    for seed in range(40):
        frames = ray_sum.readings(light, np.random.default_rng(seed)).astype(float)
        fit = fit_acceptance(Scan(frames, depths_um, PITCH_UM, "scan.tif"), 1.0)
        scores.append(
            [
                (fit.acceptance.fwhm_deg - 36) / fit.fwhm_se_deg,
                (fit.acceptance.standoff_um - 20) / fit.standoff_se_um,
            ]
        )
    hits = (np.abs(scores) < 1.96).sum(0)
    assert (hits >= 33).all()
    assert np.std(scores, axis=0) == pytest.approx([1, 1], abs=0.3)
    assert np.abs(np.mean(scores, axis=0)).max() < 0.45


def test_a_dim_scan_gives_wider_intervals(fit):
    dim = fit_acceptance(make_scan(peak_electrons=250), 1.0)
    assert dim.fwhm_se_deg == pytest.approx(2 * fit.fwhm_se_deg, rel=0.2)


def test_widths(scan, fit):
    table = width_table(scan, fit)
    assert list(table.columns) == ["depth_um", "fwhm_um", "fwhm_se_um", "fitted_fwhm_um"]
    slope = half_maximum_slope(FWHM_DEG)
    angle = np.arctan(slope)
    assert 0.5 ** ((2 * angle / np.radians(36)) ** 2) * np.cos(angle) ** 3 == pytest.approx(0.5)
    truth = 2 * slope * (scan.depths_um + STANDOFF_UM)
    np.testing.assert_allclose(table["fitted_fwhm_um"], truth, rtol=0.03, atol=5)
    scores = (table["fwhm_um"] - truth) / table["fwhm_se_um"]
    assert scores.abs().max() < 4
    assert (table["fwhm_se_um"] < 6).all()


def test_a_width_of_its_own_shows_a_depth_that_is_off():
    scan = make_scan(peak_electrons=20000, gain=0.05)
    misstated = Scan(scan.frames, scan.depths_um - [0, 0, 0, 30, 0, 0], PITCH_UM, "scan.tif")
    table = width_table(misstated, fit_acceptance(misstated, 1.0))
    excess_um = table["fwhm_um"] - table["fitted_fwhm_um"]
    assert excess_um[3] == pytest.approx(2 * half_maximum_slope(FWHM_DEG) * 30, rel=0.3)
    assert excess_um.drop(3).abs().max() < 0.5 * excess_um[3]


# Kernels


def test_profiles_agree_with_the_truth(scan, measured):
    table = profile_table(scan, measured)
    assert list(table.columns) == ["depth_um", "radius_um", "measured", "measured_se", "fitted", "residual"]
    assert (table["measured"] - table["fitted"] - table["residual"]).abs().max() < 1e-12
    truth = true_kernels(ray_sum.gaussian_acceptance(FWHM_DEG), DEPTHS_UM, 26)
    pixels = (table["radius_um"] / PITCH_UM).round().astype(int)
    frames = np.searchsorted(DEPTHS_UM, table["depth_um"])
    scores = (table["measured"] - truth[frames, 25, 25 + pixels]) / table["measured_se"]
    assert 0.6 < scores.std() < 1.3
    assert (scores.abs() < 4).all()


@pytest.mark.parametrize(("kernel", "tolerance"), [("model", 0.03), ("radial", 0.03), ("free", 0.08)])
def test_kernels_follow_the_conventions(scan, fit, measured, kernel, tolerance):
    depths_um = depth_grid([25, 1000], 65)
    psf = calibrated_psf(scan, fit, measured, kernel, depths_um, 20, PITCH_UM)
    assert psf.kernels.shape == (16, 39, 39)
    assert psf.kernels.dtype == torch.float32
    assert psf.kernels.min() >= 0
    torch.testing.assert_close(psf.kernels.sum((1, 2)), torch.ones(16))
    truth = true_kernels(ray_sum.gaussian_acceptance(FWHM_DEG), depths_um.tolist(), 20)
    assert distances(psf.kernels, truth).max() < tolerance
    assert (psf.attributes["source"], psf.attributes["kernel"], psf.attributes["beads"]) == ("scan", kernel, 3)
    assert psf.attributes["fwhm_deg"] == fit.acceptance.fwhm_deg
    assert psf.attributes["standoff_se_um"] == fit.standoff_se_um


def test_measured_profile_shows_what_the_model_misses(ring):
    scan, fit, measured = ring
    depths_um = torch.tensor([400.0, 550.0, 700.0, 850.0, 1000.0], dtype=torch.float64)
    truth = true_kernels(ring_acceptance, depths_um.tolist(), 20)
    model, radial, free = (
        distances(calibrated_psf(scan, fit, measured, kernel, depths_um, 20, PITCH_UM).kernels, truth)
        for kernel in ("model", "radial", "free")
    )
    assert (radial < 0.3 * model).all()
    assert (free < 0.3 * model).all()


def test_measured_picture_shows_what_is_not_round():
    scan = make_scan(oval_acceptance, peak_electrons=20000, gain=0.05)
    fit = fit_acceptance(scan, 1.0)
    measured = measure_deviations(scan, fit, 22)
    depths_um = torch.tensor([200.0, 300.0, 400.0], dtype=torch.float64)
    truth = true_kernels(oval_acceptance, depths_um.tolist(), 20)
    radial, free = (
        distances(calibrated_psf(scan, fit, measured, kernel, depths_um, 20, PITCH_UM).kernels, truth)
        for kernel in ("radial", "free")
    )
    assert (free < 0.5 * radial).all()


def test_kernels_at_the_scans_depths_are_the_measured_ones(scan, fit, measured):
    kernels = kernels_at(scan, fit, measured.free, torch.from_numpy(scan.depths_um), 23, PITCH_UM)
    expected = (measured.model + measured.free).clip(0)
    np.testing.assert_allclose(kernels, expected / expected.sum((1, 2), keepdims=True), atol=1e-6)


def test_a_scan_of_another_pitch_serves_the_imager():
    """Kernels at 55 um from a scan whose pixels are 40 um apart."""
    scan = make_scan(ring_acceptance, pitch_um=40.0, peak_electrons=20000, gain=0.05)
    fit = fit_acceptance(scan, 1.0)
    measured = measure_deviations(scan, fit, 27)
    depths_um = torch.tensor([200.0, 400.0], dtype=torch.float64)
    truth = true_kernels(ring_acceptance, [200, 400], 20)
    model, radial = (
        distances(calibrated_psf(scan, fit, measured, kernel, depths_um, 20, PITCH_UM).kernels, truth)
        for kernel in ("model", "radial")
    )
    assert (radial < 0.5 * model).all()


@pytest.mark.parametrize("depth_range_um", [[20, 1000], [25, 1001]])
def test_measured_kernels_outside_the_scan_are_refused(scan, fit, measured, depth_range_um):
    depths_um = depth_grid(depth_range_um, 100)
    with pytest.raises(InputError, match="is not within the scan's 25 to 1000 um; scan more depths, narrow"):
        calibrated_psf(scan, fit, measured, "radial", depths_um, 20, PITCH_UM)
    model = calibrated_psf(scan, fit, measured, "model", depths_um, 20, PITCH_UM)
    assert torch.equal(model.kernels, acceptance_kernels(fit.acceptance, depths_um, 20, PITCH_UM).float())


def test_the_file_keeps_the_measurement(scan, fit, measured, tmp_path):
    psf = calibrated_psf(scan, fit, measured, "model", depth_grid([25, 1000], 100), 20, PITCH_UM)
    psf.save(tmp_path / "psf.h5", record(scan, measured))
    assert Psf.load(tmp_path / "psf.h5").attributes["fwhm_se_deg"] == fit.fwhm_se_deg


# Simulation


def simulate(seed=0, **changes):
    settings = {
        "depths_um": [25, 200, 1000],
        "frame_pixels": 61,
        "beads": 3,
        "peak_electrons": 500,
        "background_electrons": 100,
        "read_noise_electrons": 20,
    }
    return simulate_scan(
        Acceptance(36.0, 20.0, 1.0),
        pixel_pitch_um=PITCH_UM,
        saturation=4095,
        rng=np.random.default_rng(seed),
        **settings | changes,
    )


def test_simulated_frames_have_the_same_peak_and_noise():
    frames = simulate(read_noise_electrons=0).astype(float)
    assert frames.dtype == float
    assert frames.max((1, 2)) == pytest.approx([700, 700, 700], abs=120)  # 500 + 100 + the offset of 100
    assert np.median(frames[0]) == pytest.approx(200, abs=2)
    dark = simulate(peak_electrons=1e-9).astype(float)
    assert dark.var() == pytest.approx(100 + 20**2, rel=0.05)


def test_simulated_scan_is_that_of_the_ray_sum():
    """Where the fit of the simulated frames puts the beads, the ray sum gives the same light."""
    frames = simulate(peak_electrons=3000, background_electrons=1, read_noise_electrons=1).astype(float)
    fit = fit_acceptance(Scan(frames, np.array([25.0, 200.0, 1000.0]), PITCH_UM, "simulated"), 1.0)
    assert len(fit.centres) == 3
    for index, depth_um in enumerate([25, 200, 1000]):
        light = sum(
            amplitude
            * (depth_um + 20) ** 2
            * ray_sum.bead_light(
                *(centre * PITCH_UM), depth_um + 20, 61, PITCH_UM, 1.0, ray_sum.gaussian_acceptance(36.0)
            )
            for amplitude, centre in zip(fit.amplitudes[index], fit.centres, strict=True)
        )
        assert np.abs(frames[index] - 101 - light).mean() < 0.02 * light.max()


def test_simulation_depends_on_its_seed_alone():
    assert np.array_equal(simulate(3), simulate(3))
    assert not np.array_equal(simulate(3), simulate(4))


def test_simulation_saturates():
    assert simulate(peak_electrons=9000).max() == 4095


def test_profiles_are_plain_tables(scan, measured, tmp_path):
    profile_table(scan, measured).to_csv(tmp_path / "profiles.csv", index=False)
    assert pd.read_csv(tmp_path / "profiles.csv").notna().all(axis=None)
