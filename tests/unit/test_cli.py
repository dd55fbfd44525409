"""The command line, called as a user calls it."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import ray_sum
import tifffile
import torch

import foci3d
from foci3d.cli import app, main
from foci3d.confidence.recalibration import recalibrate_network
from foci3d.config.models import TrustConfig
from foci3d.io.samples import Samples
from foci3d.learning.model import load_model
from foci3d.learning.model_file import ModelDescription, save_model
from foci3d.optics.psf import PSF
from foci3d.reconstruction import acquisition as acquisition_module

PROJECT = Path(__file__).parents[2]
RECONSTRUCT = ("reconstruct", "--sensor-a", "a.tif", "--out", "maps")
COMMANDS = ("demo", "calibrate", "inspect", "validate", "reconstruct", "view", "align", "track", "convert", "export")


@pytest.fixture
def acquisition(tmp_path: Path, model_description: ModelDescription) -> dict[str, str]:
    """A model and the images of two sensors, as arguments of `reconstruct`."""
    torch.manual_seed(0)
    network = model_description.build_network()
    save_model(network, model_description, tmp_path / "two_sensors.json", tmp_path / "two_sensors.safetensors")
    rng = np.random.default_rng(0)
    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", rng.integers(100, 4000, (13, 13)).astype(np.uint16))
    return {
        "--model": str(tmp_path / "two_sensors.json"),
        "--sensor-a": str(tmp_path / "a.tif"),
        "--sensor-b": str(tmp_path / "b.tif"),
        "--out": str(tmp_path / "out"),
        "--device": "cpu",
    }


def arguments(options: dict[str, str]) -> list[str]:
    return [part for pair in options.items() for part in pair]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_explained_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"For example:\n  foci3d {command}" in text
    assert {name for name in app if not name.startswith("-")} == set(COMMANDS)
    arguments = app[command].assemble_argument_collection(parse_docstring=True)
    assert all(argument.parameter.help for argument in arguments if argument.show)


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {command}: " in text for command in COMMANDS)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{foci3d.__version__}\n" == f"{version('foci3d')}\n"


def test_help_needs_no_heavy_package() -> None:
    code = "import sys; from foci3d.cli import main; main(['--help']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "matplotlib", "pandas", "pydantic_settings", "snakemake"} & set(loaded)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ([], "expected a command"),
        (["reconst"], 'Did you mean "reconstruct"'),
        (["inspect"], "FILE requires an argument"),
        (["track", "foci.csv", "--max-lateral-um", "1"], "--out requires an argument"),
        *(
            ([*RECONSTRUCT, option, value], f"{option}: found {found}; it should")
            for option, value, found in (
                ("--threshold", "0", "0.0"),
                ("--threshold", "1", "1.0"),
                ("--threshold", "nan", "nan"),
                ("--max-lateral-um", "0", "0.0"),
                ("--max-depth-um", "inf", "inf"),
                ("--max-gap", "-1", "-1"),
                ("--frame-interval-s", "-2", "-2.0"),
                ("--sensor-separation-um", "0", "0.0"),
            )
        ),
        ([*RECONSTRUCT, "--threshold", "x"], "--threshold"),
    ],
)
def test_a_mistake_in_the_command_is_one_line(
    command: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert message in output.err
    assert output.err.startswith("foci3d")
    assert len(output.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError("Unable to allocate 8 GiB"), "the memory is full: use images of fewer pixels or frames, or a"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "the memory is full: use images of fewer"),
        (OSError(errno.ENOSPC, "No space", "maps/x"), "cannot write: the disk is full ([Errno 28] No space: 'maps/x')"),
        (PermissionError(errno.EACCES, "Permission denied", "maps"), "[Errno 13] Permission denied: 'maps'"),
    ],
)
def test_a_full_memory_or_disk_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, line: str
) -> None:
    def fail(path: Path) -> None:
        raise error

    monkeypatch.setattr("foci3d.io.inspection.inspect_file", fail)
    assert main(["inspect", "psf.h5"]) == 1
    output = capsys.readouterr().err
    assert output.startswith(f"foci3d: {line}")
    assert output.count("\n") == 1


def test_an_internal_error_has_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise RuntimeError("internal")

    monkeypatch.setattr("foci3d.io.inspection.inspect_file", fail)
    with pytest.raises(RuntimeError, match="internal"):
        main(["inspect", "psf.h5"])


def test_python_m_foci3d_reports_an_error_in_one_line() -> None:
    command = [sys.executable, "-m", "foci3d", "inspect", "none.h5"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "foci3d: none.h5: file not found; expected a file to inspect. Correct the path.\n"


def run_inspect(path: Path, ending: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    script = f'"$1" -m foci3d inspect "$2" {ending}'
    command = ["bash", "-o", "pipefail", "-c", script, "bash", sys.executable, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_output_for_a_reader_that_stops_and_a_terminal_without_umlauts(tmp_path: Path) -> None:
    path = tmp_path / "ä.json"
    path.write_text(json.dumps({f"key{number}": "µ\x1b[2J\nnext" for number in range(5000)}))
    closed = run_inspect(path, "| head -n 1")
    assert (closed.stdout, closed.stderr) == (f"{path}: JSON file\n", "")
    ascii_only = run_inspect(path, PYTHONIOENCODING="ascii")
    assert (ascii_only.returncode, ascii_only.stderr) == (0, "")
    assert "  key7     \\xb5\\x1b[2J next\n" in ascii_only.stdout


def test_inspect(tmp_path: Path, make_psf: Callable[..., PSF], capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "psf.h5"
    make_psf(13).save(path)
    assert main(["inspect", str(path)]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{path}: foci3d-psf, version 2\n")
    assert "11 x 25 x 25  float32  depth y x" in text
    assert main(["inspect", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["attributes"]["pixel_pitch_um"] == 55.0


def test_validate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(PROJECT)
    assert main(["validate", "config/config.yaml"]) == 0
    assert "results go to results/paper" in capsys.readouterr().out
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("results: results/mine\nimager: {n_pixels: 64}\npsf: {scan: {pixel_pitch_um: 50.0}}\n")
    assert main(["validate", "config/quick.yaml", str(overlay)]) == 0
    assert "results go to results/mine" in capsys.readouterr().out
    overlay.write_text("imager: {n_pixel: 64}\n")
    assert main(["validate", str(overlay)]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("foci3d: ")
    assert "mine.yaml:1: there is no key imager.n_pixel; did you mean n_pixels?" in output.err


def nested_aliases(link: str) -> str:
    """A few short lines that stand for 10^9 values: each takes the line before several times."""
    lines = [
        "k0: &k0 {x: 1}",
        *(f"k{line}: &k{line} {link.format(f'k{line - 1}', f'y{line}')}" for line in range(1, 31)),
    ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML"),
        ("a: 2000-99-99", "not valid YAML (month must be in 1..12)"),
        ("- 1", "expected keys at the top level"),
        ("", "expected keys at the top level"),
        ("a: &a {b: *a}", "aliases (*) stand for over 100000 values, or for themselves"),
        ("seed: &a [*a]", "aliases (*) stand for over 100000 values, or for themselves"),
        (nested_aliases("[*{0}, *{0}]"), "aliases (*) stand for over 100000 values"),
        (nested_aliases("{{<<: [*{0}, *{0}], {1}: 1}}"), "aliases (*) stand for over 100000 values"),
        ('"\\ud800": 1', "not valid YAML ('utf-8' codec can't encode character '\\ud800'"),
        ('imager: {n_pixels: "\\ud800"}', "not valid YAML ('utf-8' codec can't encode character '\\ud800'"),
        (f"psf: {{source: file, file: {'x' * 300}}}", "which does not exist"),
        ('psf: {source: file, file: "a\\0b"}', "a\\x00b, which does not exist"),
        ("seed: 0x" + "f" * 5000, "an integer of 5002 digits in line 1"),
        ("? [a, b]\n: 1", "not valid YAML (while constructing a mapping"),
        (f"plugins: [{'x' * 300}]", "a check would run these Python files"),
        ("a: " + "[" * 10_000, "keys are nested too deeply or contain themselves"),
    ],
)
def test_validate_reports_what_is_no_configuration(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    assert main(["validate", str(tmp_path / "bad.yaml"), "--base", str(PROJECT / "config" / "config.yaml")]) == 1
    assert message in capsys.readouterr().err
    assert main(["validate", str(tmp_path / "none.yaml"), "--base", str(PROJECT / "config" / "config.yaml")]) == 1
    assert "cannot be read (No such file or directory)" in capsys.readouterr().err


def test_validate_runs_plugins_only_if_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plugin.py").write_text("raise SystemError('ran')")
    (tmp_path / "mine.yaml").write_text(f"plugins: [{tmp_path / 'plugin.py'}]")
    command = ["validate", str(tmp_path / "mine.yaml"), "--base", str(PROJECT / "config" / "config.yaml")]
    assert main(command) == 1
    assert "would run these Python files. Look at them, then give --allow-plugins" in capsys.readouterr().err
    assert main([*command, "--allow-plugins"]) == 1
    assert "SystemError while it was imported: ran" in capsys.readouterr().err


def test_reconstruct_writes_the_files_of_an_acquisition(
    tmp_path: Path, acquisition: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reconstruct", *arguments(acquisition)]) == 0
    names = {"volume.ome.tif", "foci.csv", "foci.roi.zip", "quality.csv", "overview.png", "view.html"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    foci = pd.read_csv(tmp_path / "out" / "foci.csv")
    text = capsys.readouterr().out
    assert f"{len(foci)} foci in 3 layers" in text
    assert "not available: the model has no recalibration" in text
    (row,) = pd.read_csv(tmp_path / "out" / "quality.csv").to_dict("records")
    assert row["flagged"] == "not available"
    assert "the model has no recalibration" in row["note"]


def test_reconstruct_uses_the_recalibration_beside_the_model(
    tmp_path: Path, acquisition: dict[str, str], make_psf: Callable[..., PSF], capsys: pytest.CaptureFixture[str]
) -> None:
    psf = make_psf(13)
    psf.save(tmp_path / "psf.h5")
    model = load_model(tmp_path / "two_sensors.json", psf=psf)
    rng = np.random.default_rng(1)
    masks = rng.random((20, 3, 13, 13)) > 0.5
    samples = Samples(
        layers=masks,
        masks=masks,
        measurements=rng.uniform(1, 2, (20, 2, 13, 13)),
        depths_um=rng.uniform(0, 1000, (20, 3)),
    )
    trust = TrustConfig(network="small", dataset="stack", n_samples=20, coverage=0.9, false_alarm_rate=0.05)
    path = tmp_path / "two_sensors.recalibration.json"
    recalibrate_network(model, samples, trust).save(path)
    assert main(["reconstruct", *arguments(acquisition | {"--psf": str(tmp_path / "psf.h5")})]) == 0
    assert "masks and depths are unreliable (score " in capsys.readouterr().out
    (row,) = pd.read_csv(tmp_path / "out" / "quality.csv").to_dict("records")
    flagged = row["score"] > row["score_threshold"] or row["n_at_bound"] > 0
    assert row["flagged"] == ("yes" if flagged else "no")
    assert row["abstained"] == 1 if flagged else 0 < row["abstained"] < 1
    assert main(["reconstruct", *arguments(acquisition), "--no-average-symmetries"]) == 0
    assert "the recalibration is for predictions averaged over symmetries" in capsys.readouterr().out
    path.write_text(path.read_text().replace(model.description.digests.weights, "other"))
    assert main(["reconstruct", *arguments(acquisition)]) == 1
    assert "belongs to weights other" in capsys.readouterr().err


def test_reconstruct_corrects_images_and_takes_time_series(tmp_path: Path, acquisition: dict[str, str]) -> None:
    light = {name: tifffile.imread(acquisition[f"--sensor-{name}"]).astype(np.float32) for name in "ab"}
    dark = np.full((13, 13), 50, np.float32)
    tifffile.imwrite(tmp_path / "dark.tif", dark)
    for name, image in light.items():
        mirrored = image[:, ::-1] if name == "b" else image
        tifffile.imwrite(tmp_path / f"{name}.tif", np.stack([mirrored, 2 * mirrored]) + dark, metadata={"axes": "TYX"})
    change = {"--out": str(tmp_path / "series"), "--dark-a": str(tmp_path / "dark.tif")}
    change["--dark-b"] = change["--dark-a"]
    gates = ["--max-lateral-um", "100", "--max-depth-um", "300", "--frame-interval-s", "2"]
    assert main(["reconstruct", *arguments(acquisition | change), *gates, "--mirrored"]) == 0
    for name, image in light.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
    assert main(["reconstruct", *arguments(acquisition)]) == 0
    expected = tifffile.imread(tmp_path / "out" / "volume.ome.tif")
    frames = tifffile.imread(tmp_path / "series" / "volume.ome.tif")
    assert frames.shape == (2, *expected.shape)
    np.testing.assert_allclose(frames, np.stack([expected] * 2), atol=1e-5)
    foci = pd.read_csv(tmp_path / "out" / "foci.csv")
    assert pd.read_csv(tmp_path / "series" / "foci.csv")["frame"].tolist() == [0] * len(foci) + [1] * len(foci)
    assert pd.read_csv(tmp_path / "series" / "quality.csv")["frame"].tolist() == [0, 1]
    summary = pd.read_csv(tmp_path / "series" / "tracks" / "summary.csv")
    assert len(foci) > 0
    assert summary["n_foci"].tolist() == [2] * len(foci)
    assert summary["speed_um_per_s"].max() < 1e-3
    assert (tmp_path / "series" / "tracks" / "tracks.png").stat().st_size > 1000


def test_reconstruct_reports_errors_in_one_line(
    tmp_path: Path, acquisition: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for change, message in (
        ({"--sensor-b": "none.tif"}, "none.tif: file not found"),
        ({"--n-layers": "3", "--specimen": "volume"}, "--n-layers: found with --specimen volume; expected"),
        ({"--device": "cuda:7"}, "device cuda:7: torch finds no such device; expected auto, cpu"),
        ({"--psf": acquisition["--sensor-a"]}, "not a readable HDF5 file"),
        ({"--sensor-a": "a{b}.tif"}, "sensor_a is a{b}.tif; expected a path without < > { }"),
        ({"--sensor-a": "x" * 300 + ".tif"}, "xxx.tif: file not found"),
        ({"--out": str(tmp_path / "a.tif" / "out")}, "Not a directory"),
    ):
        assert main(["reconstruct", *arguments(acquisition | change)]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_an_interrupted_series_resumes(
    tmp_path: Path, acquisition: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tifffile.imread(acquisition["--sensor-a"])
    series = {f"--sensor-{name}": str(tmp_path / f"series_{name}.tif") for name in "ab"}
    for path in series.values():
        tifffile.imwrite(path, np.stack([image, image + 1, image + 2]), ome=True, metadata={"axes": "TYX"})
    whole, cut = ({"--out": str(tmp_path / name)} for name in ("whole", "cut"))
    assert main(["reconstruct", *arguments(acquisition | series | whole)]) == 0
    reconstruct, done = acquisition_module.reconstruct_specimen, []

    def count(*given: object) -> object:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(reconstruct(*given))
        return done[-1]

    monkeypatch.setattr(acquisition_module, "reconstruct_specimen", count)
    with pytest.raises(SystemExit, match="130"):
        main(["reconstruct", *arguments(acquisition | series | cut)])
    assert [path.name for path in (tmp_path / "cut").iterdir()] == [".frames"]
    del done[1:]
    assert main(["reconstruct", *arguments(acquisition | series | cut)]) == 0
    assert len(done) == 2  # the third frame alone
    for name in ("volume.ome.tif", "foci.csv", "quality.csv", "tracks/tracks.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert {path.name for path in (tmp_path / "cut").iterdir()} == {
        path.name for path in (tmp_path / "whole").iterdir()
    }


def test_a_folder_holds_one_result(tmp_path: Path, acquisition: dict[str, str]) -> None:
    """A series with tracks, then one image."""
    image = tifffile.imread(acquisition["--sensor-a"])
    series = {f"--sensor-{name}": str(tmp_path / f"series_{name}.tif") for name in "ab"}
    for path in series.values():
        tifffile.imwrite(path, np.stack([image, image + 1]), ome=True, metadata={"axes": "TYX"})
    gates = {"--max-lateral-um": "100", "--max-depth-um": "300"}
    assert main(["reconstruct", *arguments(acquisition | series | gates)]) == 0
    assert (tmp_path / "out" / "tracks" / "tracks.csv").is_file()
    assert main(["reconstruct", *arguments(acquisition)]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"volume.ome.tif", "foci.csv", "foci.roi.zip", "quality.csv", "overview.png", "view.html"}


def test_convert_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for volume, out, message in (
        ("none.tif", "volume.tif", "volume.tif: expected a name that ends in .zarr. Rename it."),
        ("none.tif", "volume.zarr", "none.tif: no volume of a reconstruction"),
    ):
        assert main(["convert", str(tmp_path / volume), str(tmp_path / out)]) == 1
        assert message in capsys.readouterr().err


def test_convert(tmp_path: Path, acquisition: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ome_zarr", reason="the extra zarr is not installed")
    assert main(["reconstruct", *arguments(acquisition)]) == 0
    assert main(["convert", str(tmp_path / "out" / "volume.ome.tif"), str(tmp_path / "volume.ome.zarr")]) == 0
    assert capsys.readouterr().out.endswith("volume.ome.zarr: OME-Zarr 0.5\n")
    assert (tmp_path / "volume.ome.zarr" / "labels" / "mask" / "zarr.json").is_file()


def test_view_at_another_threshold(
    tmp_path: Path, acquisition: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reconstruct", *arguments(acquisition)]) == 0
    page = tmp_path / "out" / "view.html"
    written = page.read_text()
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert main(["view", str(tmp_path / "out")]) == 0
    again = page.read_text()
    assert again == written.replace("acquisition in 3-D", "out in 3-D")
    assert main(["view", str(tmp_path / "out"), "--threshold", "0.9"]) == 0
    assert page.read_text() != again
    assert opened == [page.as_uri()] * 2
    assert main(["view", str(tmp_path / "out"), "--no-open-browser"]) == 0
    assert len(opened) == 2
    assert "view.html: open it in a browser" in capsys.readouterr().out
    assert main(["view", str(tmp_path)]) == 1
    assert "volume.ome.tif: no volume of a reconstruction" in capsys.readouterr().err


def test_track(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for frame in range(3):
        row = {"layer": frame + 1, "depth_um": 200.0 * frame, "y_um": 500.0, "x_um": 300.0}
        pd.DataFrame([row]).to_csv(tmp_path / f"{frame}.csv", index=False)
    tables = [str(tmp_path / f"{frame}.csv") for frame in range(3)]
    gates = ["--max-lateral-um", "100", "--max-depth-um", "300", "--frame-interval-s", "4"]
    assert main(["track", *tables, *gates, "--out", str(tmp_path / "tracks")]) == 0
    summary = pd.read_csv(tmp_path / "tracks" / "summary.csv")
    assert summary["speed_um_per_s"].tolist() == pytest.approx([50.0])
    assert summary["last_layer"].tolist() == [3]
    series = pd.concat([pd.read_csv(path).assign(frame=frame) for frame, path in enumerate(tables)])
    series.to_csv(tmp_path / "series.csv", index=False)
    assert main(["track", str(tmp_path / "series.csv"), *gates, "--out", str(tmp_path / "one")]) == 0
    assert (tmp_path / "one" / "summary.csv").read_bytes() == (tmp_path / "tracks" / "summary.csv").read_bytes()
    assert main(["track", tables[0], str(tmp_path / "series.csv"), *gates, "--out", str(tmp_path / "two")]) == 1
    assert "series.csv: found 3 frames; expected one, as several files are given" in capsys.readouterr().err
    assert (tmp_path / "tracks" / "tracks.png").stat().st_size > 1000
    (tmp_path / "1.csv").write_text("layer,depth_um\n1,2\n")
    assert main(["track", *tables, *gates, "--out", str(tmp_path / "none")]) == 1
    assert "1.csv: found the columns layer, depth_um; expected a column x_um" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_export(tmp_path: Path, acquisition: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    path = tmp_path / "model.onnx"
    assert main(["export", "--model", acquisition["--model"], "--out", str(path)]) == 0
    session = runtime.InferenceSession(str(path))
    assert [value.name for value in session.get_inputs()] == ["measurements"]
    recalibration = Path(acquisition["--model"]).with_suffix(".recalibration.json")
    recalibration.write_text("{}")
    assert main(["export", "--model", acquisition["--model"], "--out", str(path)]) == 0
    assert (tmp_path / "model.recalibration.json").read_text() == "{}"
    assert main(["export", "--model", acquisition["--model"], "--out", str(tmp_path / "model.pt")]) == 1
    assert "expected a name that ends in .onnx or .zip" in capsys.readouterr().err


@pytest.mark.parametrize("images", [("--sensor-a",), ("--sensor-a", "--sensor-b")], ids=["one", "two"])
def test_reconstruct_takes_the_released_model_for_the_sensors(
    tmp_path: Path, make_psf: Callable[..., PSF], images: tuple[str, ...]
) -> None:
    make_psf(51).save(tmp_path / "psf.h5")
    rng = np.random.default_rng(0)
    options = {name: str(tmp_path / f"{name}.tif") for name in images}
    for path in options.values():
        tifffile.imwrite(path, rng.integers(100, 4000, (51, 51)).astype(np.uint16))
    options |= {"--psf": str(tmp_path / "psf.h5"), "--out": str(tmp_path / "out"), "--device": "cpu"}
    assert main(["reconstruct", *arguments(options)]) == 0
    assert "number of layers: " in pd.read_csv(tmp_path / "out" / "quality.csv")["note"].item()
    options["--model"] = "two_sensors" if len(images) > 1 else "one_sensor"
    assert main(["reconstruct", *arguments(options)]) == 0
    with tifffile.TiffFile(tmp_path / "out" / "volume.ome.tif") as file:
        assert file.series[0].shape[-3:] == (4, 51, 51)
    assert 0 < pd.read_csv(tmp_path / "out" / "quality.csv")["abstained"].item() <= 1


def test_calibrate_recovers_the_optics_of_a_scan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The scan is a sum over rays, by no code of the library."""
    frames = np.stack([frame.readings for frame in ray_sum.make_scan()])
    tifffile.imwrite(tmp_path / "scan.tif", frames.astype(np.float32))
    pd.DataFrame({"depth_um": ray_sum.DEPTHS_UM}).to_csv(tmp_path / "scan.csv", index=False)
    command = ["calibrate", str(tmp_path / "scan.tif"), str(tmp_path / "scan.csv"), "--out", str(tmp_path / "psf")]
    options = ["--n-pixels", "20", "--saturation", "1e6", "--depth-range-um", "100"]
    assert main([*command, *options, "50"]) == 1
    assert "--depth-range-um: found 100 50; expected the smaller depth first" in capsys.readouterr().err
    assert main([*command, *options, "800", "--depth-step-um", "50"]) == 0
    psf = PSF.load(tmp_path / "psf" / "psf.h5")
    assert psf.kernels.shape == (15, 39, 39)
    assert psf.attributes["fwhm_deg"] == pytest.approx(ray_sum.FWHM_DEG, rel=0.01)
    assert {path.name for path in (tmp_path / "psf").iterdir()} == {"psf.h5", "profiles.csv", "widths.csv", "psf.png"}
    text = capsys.readouterr().out
    assert f"acceptance {psf.attributes['fwhm_deg']:.2f} +- " in text
    assert "from 3 beads at 6 depths" in text


def test_align_writes_what_reconstruct_takes(
    tmp_path: Path, make_psf: Callable[..., PSF], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_psf(51).save(tmp_path / "psf.h5")
    rng = np.random.default_rng(0)
    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", rng.integers(100, 4000, (51, 51)).astype(np.uint16))
    images = ["--psf", str(tmp_path / "psf.h5"), "--sensor-a", str(tmp_path / "a.tif")]
    command = ["align", *images, "--out", str(tmp_path / "imager.yaml"), "--sensor-b", str(tmp_path / "b.tif")]
    assert main([*command, str(tmp_path / "b.tif")]) == 1
    assert "found 1 images of sensor A and 2 of sensor B" in capsys.readouterr().err
    imager = foci3d.ImagerCorrection.model_validate({"gain_b": {"value": 0.5}, "sensor_separation_um": 960.0})
    monkeypatch.setattr(foci3d.reconstruction.alignment, "align", lambda rows, model, **options: imager)
    assert main(command) == 0
    assert "gain_b 0.5, sensor_separation_um 960" in capsys.readouterr().out
    images += ["--sensor-b", str(tmp_path / "b.tif"), "--imager", str(tmp_path / "imager.yaml")]
    command = ["reconstruct", *images, "--out", str(tmp_path / "out"), "--no-average-symmetries"]
    assert main([*command, "--sensor-separation-um", "1000"]) == 1
    assert "--sensor-separation-um: found 1000 beside" in capsys.readouterr().err
    assert main(command) == 0
    assert (tmp_path / "out" / "volume.ome.tif").is_file()
