"""Commands for files: inspect any of them, check a configuration, convert a volume, export a model."""

import json
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from foci3d.cli.app import Files, Flag, PsfFile, Separation, app, write
from foci3d.errors import InputError, one_line


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
    write(one_line(f"{file}: {summary.kind}"))
    if summary.attributes:
        write("\nattributes")
        _write_table([(name, _format(value)) for name, value in summary.attributes.items()])
    if summary.arrays:
        rows = [
            (array.name, _format_shape(array.shape), array.dtype, array.axes, array.unit, array.sha256[:16])
            for array in summary.arrays
        ]
        headers = ("array", "shape", "type", "axes", "unit", "sha256")
        used = [index for index in range(len(headers)) if any(row[index] for row in rows)]
        write("")
        _write_table([[row[index] for index in used] for row in rows], [headers[index] for index in used])


def _write_json(content: dict[str, Any]) -> None:
    write(json.dumps(content, indent=2, default=str))


def _format_shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def _format(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(_format, value)) if isinstance(value, list) else str(value)


def _write_table(rows: Sequence[Sequence[str]], headers: Sequence[str] = ()) -> None:
    from tabulate import tabulate

    cells = [list(map(one_line, row)) for row in rows]
    write(textwrap.indent(tabulate(cells, headers, tablefmt="plain", disable_numparse=True), "  "))


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
    write(
        f"valid: {len(checked.datasets)} datasets, {len(checked.networks)} networks, {len(checked.baselines)} "
        f"classical methods; results go to {checked.results}"
    )


@app.command
def convert(volume: Path, out: Path, /) -> None:
    """Write the volume of a result as OME-Zarr, for large fields and long series.

    The group is an image with the axes t, c, z, y, x: probability of a cell and
    uncertainty. Its labels are the mask, the group measurement in it has the
    images of the sensors, and the attribute foci3d the depth of each layer in each
    frame. Needs the extra `zarr`: pip install '.[zarr]' in a clone.

    For example:
      foci3d convert map/volume.ome.tif map/volume.ome.zarr

    Parameters
    ----------
    volume
        volume.ome.tif of a result.
    out
        Folder to write; its name ends in .zarr, and it must not exist.
    """
    from foci3d.io.volume_file import read_volume
    from foci3d.io.zarr_file import write_zarr

    if out.suffix != ".zarr":
        raise InputError(f"{out}: expected a name that ends in .zarr. Rename it.")
    write_zarr(out, read_volume(volume))
    write(f"{out}: OME-Zarr 0.5")


@app.command
def export(*, model: Path, out: Path, psf: PsfFile = None, sensor_separation_um: Separation = None) -> None:
    """Write a trained model as ONNX or as a BioImage Model Zoo package.

    The ONNX file takes measurements (sample, sensor, y, x) and gives the outputs
    of the task, which its metadata describe. The recalibration of the model, if
    it has one, is copied beside it. With a file name that ends in .zip, a package of the BioImage
    Model Zoo is written around it. The point-spread function of a network that
    uses the PSF becomes a constant of the file. Needs the extras `onnx` and,
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
    from foci3d.learning.recalibration import SUFFIX

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
    write(f"{out}: {trained.description.network}, {trained.description.task}")
    recalibration, beside = model.with_suffix(SUFFIX), out.with_suffix(SUFFIX)
    if recalibration.is_file() and beside.resolve() != recalibration.resolve():
        shutil.copyfile(recalibration, beside)
        write(f"{beside}: recalibration of its outputs, which the file does not apply")
