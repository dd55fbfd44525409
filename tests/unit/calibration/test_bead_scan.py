"""Reading, localization of beads and simulation, on scans that `ray_sum` renders without the library's optics."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import ray_sum
import tifffile
from ray_sum import BEADS, PITCH_UM
from scipy.io import savemat

from foci3d.calibration.acceptance_fit import fit_acceptance
from foci3d.calibration.bead_scan import find_beads, read_scan, simulate_scan
from foci3d.calibration.frame_model import Frame
from foci3d.config.imager import ScanSimulationConfig
from foci3d.errors import InputError
from foci3d.optics.acceptance import AngularAcceptance


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
    np.testing.assert_array_equal([frame.readings for frame in scan], frames)
    assert [(frame.depth_um, frame.pixel_pitch_um) for frame in scan] == [(100, 40), (200.5, 40), (300, 40)]
    tifffile.imwrite(tmp_path / "scan.ome.tif", frames, metadata={"axes": "ZYX"})
    ome = read_scan(tmp_path / "scan.ome.tif", tmp_path / "scan.csv", 40.0, 4095)
    np.testing.assert_array_equal([frame.readings for frame in ome], frames)


@pytest.mark.parametrize("options", [{}, {"ome": True}, {"imagej": True}, {"metadata": {"axes": "ZYX"}}])
def test_frames_along_any_one_axis_are_depths(files, options):
    """By tifffile, an axis without a name is Q, or C in OME and ImageJ files."""
    frames = np.arange(300, 516, dtype=np.uint16).reshape(3, 8, 9)
    stack, depths = files(frames)
    tifffile.imwrite(stack, frames, photometric="minisblack", **options)
    np.testing.assert_array_equal([frame.readings for frame in read_scan(stack, depths, PITCH_UM, 4095)], frames)


def test_frames_follow_the_axes_of_the_file(files, tmp_path):
    """MATLAB may have depth last, and an array of acquisitions has the sensor between depth and y."""
    _, depths = files()
    frames = np.random.default_rng(0).integers(300, 400, (3, 40, 41)).astype(np.uint16)
    savemat(tmp_path / "scan.mat", {"scan": frames.transpose(1, 2, 0)})
    np.save(tmp_path / "scan.npy", frames[:, None])
    for name in ("scan.mat", "scan.npy"):
        read = read_scan(tmp_path / name, depths, PITCH_UM, 4095)
        np.testing.assert_array_equal([frame.readings for frame in read], frames, err_msg=name)


def test_another_pixel_pitch_in_the_metadata_is_refused(files):
    stack, depths = files()
    pitch = {"PhysicalSizeX": 11.0, "PhysicalSizeY": 11.0}
    tifffile.imwrite(stack, np.full((3, 8, 9), 300, np.uint16), ome=True, metadata={"axes": "ZYX", **pitch})
    message = r"scan.tif: the pixel size in its metadata is 11 um; expected 55 um as in psf.scan.pixel_pitch_um or"
    with pytest.raises(InputError, match=message):
        read_scan(stack, depths, 55.0, 4095)
    assert len(read_scan(stack, depths, 11.0, 4095)) == 3


@pytest.mark.parametrize(
    ("dtype", "change", "message"),
    [
        (np.uint16, 4095, r"scan.tif: 1 readings .* frame 1, y 2, x 3, is saturated \(4095 or more\)"),
        (np.float32, -1, "frame 1, y 2, x 3, is negative; expected raw readings"),
        (np.float32, np.nan, "frame 1, y 2, x 3, is not a number"),
        (np.uint16, 0, "1.4% of the readings in frame 1 are clipped at zero; increase the offset"),
    ],
)
def test_readings_that_are_unusable_are_refused(files, dtype, change, message):
    with pytest.raises(InputError, match=message):
        read_scan(*files(np.full((3, 8, 9), 300, dtype), change=change), PITCH_UM, 4095)


def test_a_dead_pixel_is_not_clipping(files):
    frames = np.full((3, 40, 40), 300, np.uint16)
    assert read_scan(*files(frames, change=0), PITCH_UM, 4095)[1].readings.min() == 0


@pytest.mark.parametrize(
    ("depths", "message"),
    [
        ("depth_um\n100\n300\n200\n", "scan.csv: depth_um does not increase from row 2 to 3; sort"),
        ("depth_um\n100\n100\n200\n", "does not increase from row 1 to 2"),
        ("depth_um\n100\n200\n", r"2 depths for the 3 frames of .*scan.tif"),
        (
            "depth_um\n0.1\n0.2\n2.0\n",
            "the largest depth_um is 2, less than one pixel pitch",
        ),
        ("depth\n100\n200\n300\n", "found the columns depth; expected a column depth_um"),
        ("depth_um\n100\n\n300\nfar\n", "depth_um of row 3 is far; expected a number"),
        ("depth_um\n-5\n200\n300\n", "depth_um of row 1 is -5"),
        ("", "not a readable CSV file"),
        (",".join(["depth_um"] * 20_000), "its first line is very long"),
        ("depth_um\n100,1\n200,2\n300,3\n", "rows have more cells than the first line"),
    ],
)
def test_wrong_depths_are_refused(files, depths, message):
    with pytest.raises(InputError, match=message):
        read_scan(*files(depths=depths), PITCH_UM, 4095)


def test_wrong_stacks_are_refused(files, tmp_path):
    for shape in ((8, 9), (1, 8, 9), (2, 3, 8, 9), (3, 7, 9)):
        with pytest.raises(InputError, match="expected a stack of at least two grey frames"):
            read_scan(*files(np.full(shape, 300, np.uint16)), PITCH_UM, 4095)
    _, depths = files()
    (tmp_path / "no.tif").write_text("not an image")
    for name, message in (("no.tif", "not a readable image"), ("absent.tif", "file not found")):
        with pytest.raises(InputError, match=f"{name}: {message}"):
            read_scan(tmp_path / name, depths, PITCH_UM, 4095)


def test_damaged_scans_end_in_one_line(files):
    stack, depths = files()
    rng = np.random.default_rng(0)
    for path in (stack, depths):
        content = path.read_bytes()
        for index in range(60):
            damaged = bytearray(content if index % 2 else content[: rng.integers(len(content))])
            for place in rng.integers(0, max(len(damaged), 1), min(8, len(damaged))):
                damaged[place] = rng.integers(256)
            path.write_bytes(damaged)
            with suppress(InputError):
                assert len(read_scan(stack, depths, PITCH_UM, 4095)) == 3
        path.write_bytes(content)


def test_beads_are_located(scan):
    centres = find_beads(scan[0])
    assert len(centres) == 3
    for bead in BEADS:
        assert np.abs(centres - bead[:2]).max(1).min() < 0.5


@pytest.mark.parametrize("defects", [{(22, 37): 700}, {(36, 6): -230}, {(22, 37): 20000}, {(22, 24): 500}])
def test_defective_pixels_are_left_out_and_named(scan, tmp_path, caplog, defects):
    """A hot pixel in every frame, a dead one, a stuck one, and a hot one beside a bead."""
    frames = np.array([frame.readings for frame in scan])
    damaged = frames.copy()
    for place, change in defects.items():
        damaged[:, *place] += change
    repaired = read_scan(*ray_sum.write_scan(tmp_path, damaged.astype(np.uint16), ray_sum.DEPTHS_UM), PITCH_UM, 4095)
    differences = np.array([frame.readings for frame in repaired]) - frames
    assert {tuple(place) for place in np.argwhere(differences.any(0))} == set(defects)
    assert np.abs(differences).max() < 60  # three standard deviations of the noise
    assert len(find_beads(repaired[0])) == len(BEADS)
    for (y, x), message in zip(defects, caplog.messages, strict=True):
        assert f"scan.tif: the light at y {y}, x {x} is narrower than the optics allow at every depth" in message


def test_a_field_without_beads_is_refused():
    readings = np.random.default_rng(0).normal(300, 10, (60, 60))
    with pytest.raises(InputError, match=r"scan.tif: no bead exceeds the noise"):
        find_beads(Frame(readings, 100.0, PITCH_UM, "scan.tif"))


def test_a_bead_off_the_field_is_refused(scan):
    cut = replace(scan[0], readings=scan[0].readings[12:])
    with pytest.raises(InputError, match=r"bead at y 1\.\d, x 12\.\d is less than three pixels from the edge"):
        find_beads(cut)


def simulate(seed=0, **changes):
    simulation = ScanSimulationConfig(
        **{
            "depths_um": [25, 200, 1000],
            "frame_pixels": 61,
            "n_beads": 3,
            "peak_electrons": 500,
            "background_electrons": 100,
            "read_noise_electrons": 20,
        }
        | changes
    )
    return simulate_scan(AngularAcceptance(36.0, 20.0, 1.0), simulation, PITCH_UM, 4095, np.random.default_rng(seed))


def test_simulated_frames_have_the_same_peak_and_noise():
    frames = simulate(read_noise_electrons=0)
    assert frames.dtype == np.uint16
    assert frames.astype(float).max((1, 2)) == pytest.approx([700, 700, 700], abs=120)  # 500 + 100 + the offset of 100
    assert np.median(frames[0]) == pytest.approx(200, abs=2)
    dark = simulate(peak_electrons=1e-9)
    assert dark.var() == pytest.approx(100 + 20**2, rel=0.05)


def test_simulated_scan_is_that_of_the_ray_sum():
    """Where the fit of the simulated frames puts the beads, the ray sum gives the same light."""
    frames = simulate(peak_electrons=3000, background_electrons=1, read_noise_electrons=1).astype(float)
    optics = (61, PITCH_UM, 1.0, ray_sum.gaussian_acceptance(36.0))
    for fitted in fit_acceptance(ray_sum.to_frames(frames, [25, 200, 1000]), 1.0).frames:
        height_um = fitted.frame.depth_um + 20
        lights = [ray_sum.bead_light(*(centre * PITCH_UM), height_um, *optics) for centre in fitted.centres]
        assert len(lights) == 3
        light = height_um**2 * np.tensordot(fitted.amplitudes, lights, 1)
        assert np.abs(fitted.frame.readings - 101 - light).mean() < 0.02 * light.max()


def test_simulation_depends_on_its_seed_alone():
    assert np.array_equal(simulate(3), simulate(3))
    assert not np.array_equal(simulate(3), simulate(4))


def test_simulation_saturates():
    assert simulate(peak_electrons=9000).max() == 4095
