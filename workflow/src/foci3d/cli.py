"""The command line `foci3d`: inspect files, check configurations, reconstruct images, track foci, export models.

Each command is a function; cyclopts makes its options from the parameters and its help from the docstring. The workflow
itself is run by Snakemake. Commands import what they need when they run, so that ``--help`` is fast.
"""

import json
import logging
import os
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from pydantic import AllowInfNan, Field, ValidationError

from foci3d.config.fields import Fraction, Positive, Specimen, UnusableFrames
from foci3d.errors import InputError, LogFormatter, one_line
from foci3d.version import __version__

if TYPE_CHECKING:
    from foci3d.config.models import TrackingConfig

HELP = """
3D maps of cells from the blurred images of millimetre-scale lensless imagers.

`foci3d COMMAND --help` explains a command, with an example. Exit status: 0, or
1 after an error in the input, which is reported in one line, or 2 after a
mistake in the command. The workflow, which calibrates, simulates, trains and
scores, is run by Snakemake: see README.md.
"""

app = App("foci3d", help=HELP, version=__version__, help_format="plaintext", help_formatter="plain")

Length = Annotated[Positive, AllowInfNan(False)]
Files = Annotated[list[Path], Parameter(negative="")]
Series = Annotated[list[str], Parameter(negative="", consume_multiple=True)]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]
Folder = Annotated[Path, Parameter(help="Folder of the results.")]
PsfFile = Annotated[
    Path | None,
    Parameter(help="Point-spread function of the imager (HDF5); networks that know the optics need it."),
]
Separation = Annotated[
    Length | None,
    Parameter(help="Distance between the sensors [um], if it is not that of the model's training data."),
]
LateralGate = Annotated[Length, Parameter(help="Largest lateral distance that a focus moves from frame to frame [um].")]
DepthGate = Annotated[Length, Parameter(help="Largest distance in depth that a focus moves from frame to frame [um].")]
Gap = Annotated[int, Field(ge=0), Parameter(help="Frames a focus may be missing and is the same focus afterwards.")]
Interval = Annotated[Length | None, Parameter(help="Time between frames [s], for speeds in um/s.")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Images:
    """The images of an acquisition, as the columns of the table of samples."""

    sensor_a: str
    """Image or time series of sensor A."""
    sensor_b: str | None = None
    """The same of sensor B, for an imager with two sensors."""
    mirrored: Flag = False
    """The image of sensor B is mirrored in x against that of sensor A."""
    dark_a: str | None = None
    """Image of sensor A without light, to subtract."""
    dark_b: str | None = None
    """The same of sensor B."""
    flat_a: str | None = None
    """Image of sensor A under even light, to divide by."""
    flat_b: str | None = None
    """The same of sensor B."""

    def columns(self) -> dict[str, Any]:
        """Columns of the table of samples that are not empty."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return given | {"mirrored": "yes" if self.mirrored else "no"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments of the command line, by default those of the process.

    Returns
    -------
    int
        Exit status: 0, or 1 after an error in the input or a file that cannot be written, or 2 after a mistake in the
        command.
    """
    tokens = sys.argv[1:] if arguments is None else arguments
    if logging.lastResort:  # prints warnings
        logging.lastResort.setFormatter(LogFormatter())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may know fewer characters than a file has
    if not tokens:
        sys.stderr.write("foci3d: expected a command. See foci3d --help.\n")
        return 2
    try:
        app(tokens, exit_on_error=False, print_error=False, result_action="return_none")
        sys.stdout.flush()
    except BrokenPipeError:  # as by `| head`; a later flush would fail, too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except CycloptsError as error:
        command = " ".join(("foci3d", *(error.command_chain or ())))
        sys.stderr.write(f"{command}: {one_line(f'{_describe(error)} See {command} --help.')}\n")
        return 2
    except (InputError, OSError) as error:
        lines = str(error) if isinstance(error, InputError) else one_line(str(error))
        sys.stderr.write(f"foci3d: {lines}\n")
        return 1
    return 0


def _describe(error: CycloptsError) -> str:
    """A mistake in the command, in one line."""
    cause = error.__cause__
    if error.argument and isinstance(cause, ValidationError):
        problem = cause.errors()[0]
        return f"{error.argument.name}: found {problem['input']}; {problem['msg'].replace('Input', 'it')}."
    return " ".join(str(error).split())


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")


@app.command
def inspect(file: Path, /, *, json: Flag = False) -> None:
    """Describe a file: kind, attributes, and arrays with axes, units and digests.

    Arrays of HDF5 files are verified against their digests. Other files: a model
    (JSON, safetensors), TIFF, PNG, NPY, MATLAB.

    For example:
      foci3d inspect results/quick/psf/scan.h5

    Parameters
    ----------
    file
        The file.
    json
        Print JSON instead of text.
    """
    from foci3d.io.inspection import inspect_file

    summary = inspect_file(file)
    if json:
        _write_json(asdict(summary))
        return
    _write(one_line(f"{file}: {summary.kind}"))
    if summary.attributes:
        _write("\nattributes")
        _write_table([(name, _format(value)) for name, value in summary.attributes.items()])
    if summary.arrays:
        rows = [
            (array.name, _format_shape(array.shape), array.dtype, array.axes, array.unit, array.sha256[:16])
            for array in summary.arrays
        ]
        headers = ("array", "shape", "type", "axes", "unit", "sha256")
        used = [index for index in range(len(headers)) if any(row[index] for row in rows)]
        _write("")
        _write_table([[row[index] for index in used] for row in rows], [headers[index] for index in used])


def _write_json(content: dict[str, Any]) -> None:
    _write(json.dumps(content, indent=2, default=str))


def _format_shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def _format(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(_format, value)) if isinstance(value, list) else str(value)


def _write_table(rows: Sequence[Sequence[str]], headers: Sequence[str] = ()) -> None:
    from tabulate import tabulate

    cells = [list(map(one_line, row)) for row in rows]
    _write(textwrap.indent(tabulate(cells, headers, tablefmt="plain", disable_numparse=True), "  "))


@app.command
def validate(config: Files, /, *, base: Path = Path("config/config.yaml"), allow_plugins: Flag = False) -> None:
    """Check a configuration without running the workflow.

    Merges the files as Snakemake does (the base, then each overlay; the last
    value wins) and checks every key, its type and range, and how the entries
    fit each other; reports every problem with its file and line. The table of
    samples is checked when Snakemake starts.

    For example:
      foci3d validate config/quick.yaml config/mine.yaml

    Parameters
    ----------
    config
        Overlays, in the order of --configfile.
    base
        Configuration that the overlays change.
    allow_plugins
        Run the Python files that the key plugins names; without this, a configuration with plugins is refused.
    """
    from foci3d.config.validation import read_config

    overlays = [file for file in config if file.resolve() != base.resolve()]
    checked = read_config([base, *overlays], allow_plugins=allow_plugins)
    _write(
        f"valid: {len(checked.datasets)} datasets, {len(checked.networks)} networks, {len(checked.baselines)} "
        f"classical methods; results go to {checked.results}"
    )


@app.command
def demo(*, out: Folder = Path("foci3d-demo")) -> None:
    """Reconstruct a bundled acquisition whose truth is known: four layers of cells seen by two sensors.

    The images are simulated. Writes what `foci3d reconstruct` writes, and says
    how near the result is to the truth.

    For example:
      foci3d demo
    """
    from foci3d.learning.model import load_model
    from foci3d.learning.released import released_model
    from foci3d.plots.reconstruction import write_reconstruction
    from foci3d.reconstruction.acquisition import reconstruct_acquisition
    from foci3d.reconstruction.demo import Demo

    example = Demo.load()
    result = reconstruct_acquisition(example.acquisition, load_model(released_model("two_sensors"), psf=example.psf))
    write_reconstruction(result, out)
    (frame,) = result.frames
    _write(f"{out}: {len(frame.foci)} foci in {len(frame.depths_um)} layers; {frame.quality}")
    _write(f"{out}: {example.compare(frame)}")
    _write(f"Look at {out / 'overview.png'}, and open {out / 'view.html'} in a browser.")


@app.command
def reconstruct(
    images: Images,
    *,
    out: Folder,
    psf: PsfFile = None,
    imager: Path | None = None,
    model: Path | None = None,
    sensor_separation_um: Separation = None,
    specimen: Specimen = "layers",
    threshold: Fraction = 0.5,
    average_symmetries: bool | None = None,
    unusable_frames: UnusableFrames = "skip",
    fit_offset: bool = True,
    find_defects: bool = True,
    max_lateral_um: LateralGate | None = None,
    max_depth_um: DepthGate | None = None,
    max_gap: Gap = 0,
    frame_interval_s: Interval = None,
    device: str = "auto",
) -> None:
    """Reconstruct a 3-D map of cells from the images of one or two sensors.

    Writes to the folder
      volume.ome.tif  probability of a cell, mask and uncertainty, with the axes
                      time, channel, layer, y, x, the pixel pitch and the depths
      foci.csv        connected cells: frame, layer, depth and its standard
                      deviation, centre, area, probability; of single cells also
                      brightness and all standard errors
      quality.csv     of each frame: residual of the reconstruction rendered
                      again, whether the images are out-of-distribution, share
                      of the pixels to abstain from; offsets and defects found
      overview.png    measurements, probability maps and layers in space
      view.html       interactive 3-D view

    A time series gives the volume, foci and quality of all frames, the figures
    of the first, and with gates (see `foci3d track --help`) the folder tracks.
    Images are TIFF, OME-TIFF, PNG, NPY, HDF5 or .mat (FILE.h5:/NAME for an array
    in a file), linear in light, unsaturated and of equal exposure.

    The recalibration of a model is MODEL.recalibration.json beside MODEL.json.
    Without it, probabilities are as predicted, and whether the images are
    out-of-distribution is not available.

    For example:
      foci3d reconstruct --psf psf.h5 --sensor-a a.tif --sensor-b b.tif --out map
      foci3d reconstruct --specimen cells --psf psf.h5 --sensor-a a.tif --out map

    Parameters
    ----------
    imager
        Deviations of the imager from its description (YAML), as `foci3d align` writes them.
    model
        Trained model (JSON); by default the released one for one or for two sensors.
    specimen
        Layers of cells, found by the network; or a few single cells, fitted without it: up to about 50 in a field of 51
        x 51 pixels. With auto, single cells if they explain the images to within their noise, else layers.
    threshold
        Probability above which a pixel is a cell, between 0 and 1.
    average_symmetries
        Average over flips and rotations: lower errors, in 8 or 16 times the time. By default as the model was
        recalibrated, and yes without a recalibration.
    unusable_frames
        Whether to skip frames of a series that are blank, dark, saturated or missing, or to refuse the series.
    fit_offset
        Fit the even light on each sensor, such as autofluorescence, and subtract it where the images determine it.
    find_defects
        Find hot pixels and dead pixels, rows and columns, and fill them in.
    device
        cpu, cuda, cuda:1, ...; by default a GPU where there is one.
    """
    from foci3d.config.models import ConditioningConfig
    from foci3d.config.samples import make_acquisition
    from foci3d.learning.released import released_model
    from foci3d.plots.reconstruction import write_reconstruction
    from foci3d.reconstruction.acquisition import reconstruct_acquisition
    from foci3d.reconstruction.imager_correction import ImagerCorrection, load_corrected_model

    tracking = _tracking(max_lateral_um, max_depth_um, max_gap)
    correction = ImagerCorrection.load(imager) if imager else None
    trained = load_corrected_model(
        model or released_model("two_sensors" if images.sensor_b else "one_sensor"),
        correction,
        psf=psf,
        device=device,
        average_symmetries=average_symmetries,
        sensor_separation_um=sensor_separation_um,
    )
    known = {"pixel_pitch_um": trained.pixel_pitch_um, "frame_interval_s": frame_interval_s}
    acquisition = make_acquisition({"sample": "acquisition", **known, **images.columns()})
    result = reconstruct_acquisition(
        acquisition,
        trained,
        specimen=specimen,
        threshold=threshold,
        imager=correction,
        conditioning=ConditioningConfig(offset=fit_offset, defects=find_defects),
        tracking=tracking,
        unusable_frames=unusable_frames,
    )
    write_reconstruction(result, out)
    if str(result.conditioning):
        _write(one_line(f"{out}: {result.conditioning}"))
    for number, each in enumerate(result.by_number):
        frame = f", frame {number}" if len(result.by_number) > 1 else ""
        found = f"{len(each.foci)} foci in {len(each.depths_um)} layers; {each.quality}" if each else ""
        _write(one_line(f"{out}{frame}: {found or f'skipped: {result.skipped[number]}'}"))


def _tracking(max_lateral_um: float | None, max_depth_um: float | None, max_gap: int) -> "TrackingConfig | None":
    """How foci are followed, or None without gates."""
    from foci3d.config.models import TrackingConfig

    if max_lateral_um is None and max_depth_um is None:
        return None
    if max_lateral_um is None or max_depth_um is None:
        raise InputError("found one of --max-lateral-um and --max-depth-um; expected both, or none. Add the other.")
    return TrackingConfig(max_lateral_um=max_lateral_um, max_depth_um=max_depth_um, max_gap=max_gap)


@app.command
def align(
    *,
    sensor_a: Series,
    sensor_b: Series,
    psf: Path,
    out: Path,
    mirrored: Flag = False,
    model: Path | None = None,
    sensor_separation_um: Separation = None,
    fit: Literal["separation", "width", "neither"] = "neither",
    device: str = "auto",
) -> None:
    """Measure how an imager of two sensors deviates from its description.

    Finds the offset of each sensor, and the gain, shift and rotation of sensor B,
    from acquisitions of one imager, and writes them with their standard errors
    for `foci3d reconstruct --imager`. Ten acquisitions or more are good. It takes
    a few seconds for each.

    For example:
      foci3d align --psf psf.h5 --sensor-a 1a.tif 2a.tif --sensor-b 1b.tif 2b.tif --out imager.yaml

    Parameters
    ----------
    sensor_a
        Image of sensor A in each acquisition; of a time series, the first frame counts.
    sensor_b
        The same of sensor B, in the same order.
    psf
        Point-spread function of the imager (HDF5).
    out
        File to write (YAML).
    mirrored
        The images of sensor B are mirrored in x against those of sensor A.
    model
        Trained model (JSON) of two sensors that knows the optics; by default the released one.
    fit
        What to fit besides, of two that cannot be told apart: the separation, or the width of the point-spread
        function.
    device
        cpu, cuda, cuda:1, ...; by default a GPU where there is one.
    """
    from foci3d.config.samples import make_acquisition
    from foci3d.learning.model import load_model
    from foci3d.learning.released import released_model
    from foci3d.reconstruction.alignment import align

    if len(sensor_a) != len(sensor_b):
        raise InputError(
            f"found {len(sensor_a)} images of sensor A and {len(sensor_b)} of sensor B; expected one of each for every "
            "acquisition. Add the missing ones."
        )
    trained = load_model(
        model or released_model("two_sensors"), psf=psf, device=device, sensor_separation_um=sensor_separation_um
    )
    known = {"pixel_pitch_um": trained.pixel_pitch_um, "mirrored": "yes" if mirrored else "no"}
    rows = [
        make_acquisition({"sample": f"acquisition{number}", "sensor_a": a, "sensor_b": b, **known})
        for number, (a, b) in enumerate(zip(sensor_a, sensor_b, strict=True), 1)
    ]
    imager = align(rows, trained, fit=fit)
    imager.save(out)
    _write(f"{out}: {imager}")


@app.command
def track(
    foci: Files,
    /,
    *,
    out: Folder,
    max_lateral_um: LateralGate,
    max_depth_um: DepthGate,
    max_gap: Gap = 0,
    frame_interval_s: Interval = None,
) -> None:
    """Follow the foci of a time series: speed and direction.

    Links the foci of a time series from frame to frame. Writes to the folder
      tracks.csv   every focus with its frame and its track
      summary.csv  one row per track: frames, layers, displacement, speed, direction
      tracks.png   tracks in the image plane, and depth against time

    The gates are the largest distances that a focus moves from one frame to the
    next. A gate in depth below the distance of two layers keeps every track in
    its layer.

    For example:
      foci3d track map/foci.csv --max-lateral-um 100 --max-depth-um 300 --out map

    Parameters
    ----------
    foci
        foci.csv of the series, or of each frame, in order.
    """
    from foci3d.config.models import TrackingConfig
    from foci3d.plots.reconstruction import write_tracks
    from foci3d.reconstruction.tracking import Tracks, read_frames

    table = read_frames(foci)
    gates = TrackingConfig(max_lateral_um=max_lateral_um, max_depth_um=max_depth_um, max_gap=max_gap)
    tracks = Tracks.from_foci(table, gates, frame_interval_s)
    write_tracks(tracks, out)
    _write(f"{out}: {len(tracks.summary)} tracks of {len(tracks.foci)} foci in {table['frame'].nunique()} frames")


@app.command
def export(*, model: Path, out: Path, psf: PsfFile = None, sensor_separation_um: Separation = None) -> None:
    """Write a trained model as ONNX or as a BioImage Model Zoo package.

    The ONNX file takes measurements (sample, sensor, y, x) and gives the outputs
    of the task. With a file name that ends in .zip, a package of the BioImage
    Model Zoo is written around it. The point-spread function of a network that
    knows the optics becomes a constant of the file. Needs the extras `onnx` and,
    for a package, `bioimageio`: pip install '.[onnx,bioimageio]' in a clone.

    For example:
      foci3d export --model results/quick/models/stack2_cnn.json --out cnn.onnx

    Parameters
    ----------
    model
        Trained model (JSON).
    out
        File to write: .onnx or .zip.
    """
    from foci3d.learning.bioimageio_package import write_package
    from foci3d.learning.export import export_onnx
    from foci3d.learning.model import load_model

    writers = {".onnx": export_onnx, ".zip": write_package}
    if out.suffix not in writers:
        raise InputError(f"--out: found {out}; expected a name that ends in .onnx or .zip. Rename it.")
    trained = load_model(
        model,
        psf=psf,
        device="cpu",
        average_symmetries=False,
        recalibration=None,
        sensor_separation_um=sensor_separation_um,
    )
    writers[out.suffix](trained, out)
    _write(f"{out}: {trained.description.network}, {trained.description.task}")
