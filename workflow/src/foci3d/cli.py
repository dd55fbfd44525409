"""The command line `foci3d`: inspect files, check configurations, reconstruct images, track foci, export models.

The workflow itself is run by Snakemake. Commands import what they need when they run, so that ``--help`` is fast.
"""

import argparse
import dataclasses
import json
import math
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foci3d.errors import InputError

DESCRIPTION = "3D maps of cells from the blurred images of millimetre-scale lensless imagers."
EPILOG = """\
examples:
  foci3d inspect results/quick/psf/scan.h5
  foci3d validate config/quick.yaml config/mine.yaml
  foci3d reconstruct --psf psf.h5 --sensor-a a.tif --sensor-b b.tif --out maps/sample1
  foci3d track maps/sample1/foci.csv --max-lateral-um 100 --max-depth-um 300 --out maps/sample1/tracks
  foci3d export --model results/quick/models/stack2_cnn.json --out stack2_cnn.onnx

`foci3d COMMAND --help` explains a command. Exit status: 0, or 1 after an error in the input, which is reported in one
line, or 2 after a mistake in the command. The workflow, which calibrates, simulates, trains and scores, is run by
Snakemake: see README.md."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments of the command line, by default those of the process.

    Returns
    -------
    int
        Exit status: 0, or 1 after an error in the input or a file that cannot be written.
    """
    options = make_parser().parse_args(arguments)
    try:
        options.run(options)
    except (InputError, OSError) as error:
        sys.stderr.write(f"foci3d: {error}\n")
        return 1
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command line; each command sets `run`, the function that carries it out."""
    parser = argparse.ArgumentParser(
        "foci3d", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_add_inspect, _add_validate, _add_reconstruct, _add_track, _add_export):
        add(commands)
    return parser


def _add_command(commands: Any, function: Any, summary: str, details: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        function.__name__,
        help=summary,
        description=textwrap.dedent(details).strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=function)
    return parser


def _add_inspect(commands: Any) -> None:
    parser = _add_command(
        commands,
        inspect,
        "what a file holds: kind, attributes, arrays with axes, units and digests",
        """
        Describe a file: its kind and version, its attributes (seed, pixel pitch, digests of what it was made from), and
        the shape, type, axes and unit of each array. Arrays of HDF5 files are verified against their digests.

        Files: HDF5 (point-spread function, shard, predictions), a model (JSON, safetensors), TIFF, PNG, NPY, MATLAB.
        """,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def inspect(options: argparse.Namespace) -> None:
    """Print what a file holds."""
    from foci3d.io.inspection import inspect_file

    summary = inspect_file(options.file)
    if options.json:
        _write(json.dumps(dataclasses.asdict(summary), indent=2, default=str))
        return
    _write(f"{options.file}: {summary.kind}")
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


def _format_shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def _format(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(_format, value)) if isinstance(value, list) else str(value)


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _write_table(rows: Sequence[Sequence[str]], headers: Sequence[str] = ()) -> None:
    from tabulate import tabulate

    _write(textwrap.indent(tabulate(rows, headers, tablefmt="plain", disable_numparse=True), "  "))


def _add_validate(commands: Any) -> None:
    parser = _add_command(
        commands,
        validate,
        "check a configuration without running anything",
        """
        Merge configuration files as Snakemake does (the base, then each overlay; the last value wins) and check every
        key, its type and range, and how the entries fit each other. The first problem is reported in one line with the
        file, the key, what was found and what was expected. The table of samples is checked when Snakemake starts.
        """,
    )
    parser.add_argument("config", nargs="+", type=Path, metavar="CONFIG", help="overlays, in the order of --configfile")
    parser.add_argument(
        "--base",
        type=Path,
        default=Path("config/config.yaml"),
        metavar="FILE",
        help="configuration that holds every key (default: %(default)s)",
    )


def validate(options: argparse.Namespace) -> None:
    """Check a configuration."""
    from foci3d.config.overlays import read_config

    overlays = [file for file in options.config if file.resolve() != options.base.resolve()]
    config = read_config([options.base, *overlays])
    _write(
        f"valid: {len(config.datasets)} datasets, {len(config.networks)} networks, {len(config.baselines)} classical "
        f"methods; results go to {config.results}"
    )


def _add_reconstruct(commands: Any) -> None:
    parser = _add_command(
        commands,
        reconstruct,
        "a 3-D map of cells from the images of one or two sensors",
        """
        Reconstruct an acquisition with a trained model. Writes to the folder
          volume.ome.tif  probability of a cell, mask and uncertainty (time, channel, layer, y, x), with pixel pitch and
                          depths
          foci.csv        connected cells: frame, layer, depth and its standard deviation, centre, area, probability
          quality.csv     of each frame: residual of the answer rendered again, whether the images are unlike the
                          training data, share of the pixels to abstain from
          overview.png    measurements, probability maps and layers in space
          view.html       interactive 3-D view

        A time series gives the volume, foci and quality of all frames, the figures of the first, and with gates (see
        `foci3d track --help`) the folder tracks. Images are TIFF, OME-TIFF, PNG, NPY, HDF5 or .mat (FILE.h5:/NAME for
        an array in a file), linear in light, unsaturated and of equal exposure.

        The recalibration of a model is MODEL.recalibration.json beside MODEL.json. Without it, probabilities are as
        predicted, and whether the images are unlike the training data is not available.
        """,
    )
    parser.add_argument("--sensor-a", required=True, metavar="IMAGE", help="image or time series of sensor A")
    parser.add_argument("--sensor-b", metavar="IMAGE", help="the same of sensor B, for an imager with two sensors")
    parser.add_argument(
        "--mirrored", action="store_true", help="the image of sensor B is mirrored in x against sensor A"
    )
    for sensor in "ab":
        name = sensor.upper()
        parser.add_argument(
            f"--dark-{sensor}", metavar="IMAGE", help=f"image of sensor {name} without light, to subtract"
        )
        parser.add_argument(f"--flat-{sensor}", metavar="IMAGE", help=f"image of sensor {name} under even light")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the results")
    _add_model(parser, default="the released one for one or for two sensors")
    parser.add_argument(
        "--threshold",
        type=_probability,
        default=0.5,
        metavar="P",
        help="probability above which a pixel is a cell (0.5)",
    )
    parser.add_argument(
        "--average-symmetries",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="average over flips and rotations: lower errors, in 8 or 16 times the time (default: yes)",
    )
    _add_tracking(parser, required=False)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ... (default: a GPU where there is one)")


def _probability(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"found {text}; expected a probability from 0 to 1")
    return value


def _add_model(parser: argparse.ArgumentParser, default: str = "") -> None:
    note = f" (default: {default})" if default else ""
    parser.add_argument("--model", type=Path, required=not default, metavar="JSON", help=f"trained model{note}")
    parser.add_argument(
        "--psf",
        type=Path,
        metavar="HDF5",
        help="point-spread function of the imager; networks that know the optics need it",
    )
    parser.add_argument(
        "--sensor-separation-um",
        type=float,
        metavar="UM",
        help="distance between the sensors [um], if it is not that of the model's training data",
    )


IMAGES = ("sensor_a", "sensor_b", "dark_a", "dark_b", "flat_a", "flat_b")
"""Options of `reconstruct` that name an image, as the columns of the table of samples."""


def reconstruct(options: argparse.Namespace) -> None:
    """Reconstruct an acquisition and write the results."""
    from foci3d.config.samples import Acquisition
    from foci3d.io.images import read_acquisition
    from foci3d.learning.inference import load_model
    from foci3d.learning.recalibration import find_recalibration
    from foci3d.learning.released import released_model
    from foci3d.optics.psf import PSF
    from foci3d.plots.reconstruction_files import ReconstructionFiles, write_reconstruction
    from foci3d.reconstruction.volume import reconstruct_series

    tracking = _tracking(options)
    psf = PSF.load(options.psf) if options.psf else None
    model_file = options.model or released_model("two_sensors" if options.sensor_b else "one_sensor")
    model = load_model(model_file, psf=psf, sensor_separation_um=options.sensor_separation_um)
    images = {name: str(getattr(options, name) or "") for name in IMAGES}
    pixel_pitch_um = psf.pixel_pitch_um if psf else model.description.pixel_pitch_um
    facts = {"sample": "acquisition", "pixel_pitch_um": pixel_pitch_um}
    mirrored = "yes" if options.mirrored else "no"
    interval = {"frame_interval_s": options.frame_interval_s}
    acquisition = Acquisition.model_validate({**facts, **images, **interval, "mirrored": mirrored})
    recalibration = find_recalibration(model_file, model.description.digests.weights)
    measurements = read_acquisition(acquisition, model.description.n_pixels)
    results = reconstruct_series(
        measurements.values,
        model,
        threshold=options.threshold,
        recalibration=recalibration,
        pixel_pitch_um=pixel_pitch_um,
        device=options.device,
        average_symmetries=options.average_symmetries,
    )
    files = ReconstructionFiles.from_folder(options.out)
    write_reconstruction(results, files, measurements.frame_interval_s, tracking)
    for number, result in enumerate(results):
        frame = f", frame {number}" if len(results) > 1 else ""
        _write(f"{options.out}{frame}: {len(result.foci)} foci in {len(result.depths_um)} layers; {result.quality}")


def _add_track(commands: Any) -> None:
    parser = _add_command(
        commands,
        track,
        "follow the foci of a time series: speed and direction",
        """
        Link the foci of a time series from frame to frame. Writes to the folder
          tracks.csv   every focus with its frame and its track
          summary.csv  one row per track: frames, layers, displacement, speed and direction
          tracks.png   tracks in the image plane, and depth against time

        The gates are the largest distances that a focus moves from one frame to the next. A gate in depth below the
        distance of two layers keeps every track in its layer.
        """,
    )
    parser.add_argument(
        "foci", nargs="+", type=Path, metavar="CSV", help="foci.csv of the series, or of each frame, in order"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the results")
    _add_tracking(parser, required=True)


def _add_tracking(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--max-lateral-um", type=_positive, required=required, metavar="UM", help="lateral gate of tracks [um]"
    )
    parser.add_argument(
        "--max-depth-um", type=_positive, required=required, metavar="UM", help="gate of tracks in depth [um]"
    )
    parser.add_argument("--max-gap", type=_count, default=0, metavar="N", help="frames a focus may be missing (0)")
    parser.add_argument(
        "--frame-interval-s", type=_positive, metavar="S", help="time between frames [s], for speeds in um/s"
    )


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"found {text}; expected a number above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"found {text}; expected a number of at least 0")
    return value


def _tracking(options: argparse.Namespace) -> Any:
    """How foci are followed, or None without gates."""
    from foci3d.config.models import TrackingConfig

    gates = options.max_lateral_um, options.max_depth_um
    if (gates[0] is None) != (gates[1] is None):
        raise InputError("found one of --max-lateral-um and --max-depth-um; expected both, or none. Add the other.")
    if gates[0] is None:
        return None
    return TrackingConfig(max_lateral_um=gates[0], max_depth_um=gates[1], max_gap=options.max_gap)


def track(options: argparse.Namespace) -> None:
    """Track foci and write the results."""
    from foci3d.plots.reconstruction_files import write_tracks
    from foci3d.reconstruction.tracking import read_frames

    foci = read_frames(options.foci)
    tracks, summary = write_tracks(foci, options.out, _tracking(options), options.frame_interval_s)
    n_frames = foci["frame"].nunique()
    _write(f"{options.out}: {len(summary)} tracks of {len(tracks)} foci in {n_frames} frames")


def _add_export(commands: Any) -> None:
    parser = _add_command(
        commands,
        export,
        "write a trained model as ONNX or as a BioImage Model Zoo package",
        """
        Write a trained model as one ONNX file: measurements (sample, sensor, y, x) in, outputs of the task out. With a
        file name that ends in .zip, write a package of the BioImage Model Zoo around it. The point-spread function of a
        network that knows the optics becomes a constant of the file. Needs the extras `onnx` and, for a package,
        `bioimageio`: pip install 'foci3d[onnx,bioimageio]'.
        """,
    )
    _add_model(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write: .onnx or .zip")


def export(options: argparse.Namespace) -> None:
    """Export a model."""
    from foci3d.learning.bioimageio_package import write_package
    from foci3d.learning.export import export_onnx
    from foci3d.learning.inference import load_model
    from foci3d.optics.psf import PSF

    writers = {".onnx": export_onnx, ".zip": write_package}
    if options.out.suffix not in writers:
        raise InputError(f"--out: found {options.out}; expected a name that ends in .onnx or .zip. Rename it.")
    psf = PSF.load(options.psf) if options.psf else None
    model = load_model(options.model, psf=psf, sensor_separation_um=options.sensor_separation_um)
    writers[options.out.suffix](model, options.out)
    _write(f"{options.out}: {model.description.network}, {model.description.task}")
