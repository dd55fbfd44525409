"""Commands for images: try one, reconstruct, view a result, follow foci."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

from foci3d.cli.app import (
    DepthGate,
    Files,
    Flag,
    Folder,
    Gap,
    Interval,
    LateralGate,
    NLayers,
    PsfFile,
    Separation,
    Series,
    app,
    show_progress,
    write,
)
from foci3d.config.fields import Fraction, Precision, Specimen, UnusableFrames
from foci3d.errors import InputError, one_line

if TYPE_CHECKING:
    from foci3d.config.samples import Acquisition, Fluorophore
    from foci3d.reconstruction.acquisition import AcquisitionReconstruction


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
    defects_a: str | None = None
    """Image of sensor A that is not 0 in defective pixels, to fill in."""
    defects_b: str | None = None
    """The same of sensor B."""
    truth: str | None = None
    """The true layers (volume.ome.tif) or cells (CSV with depth_um, y_um and x_um), to compare with."""

    def columns(self) -> dict[str, Any]:
        """Columns of the table of samples that are not empty."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return given | {"mirrored": "yes" if self.mirrored else "no"}


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
    result = replace(result, truth=example.truth)
    write_reconstruction(result, out)
    (frame,) = result.frames
    write(f"{out}: {frame.summary}")
    write(f"{out}: {example.truth.compare(frame)}")
    _write_what_to_open(out)


def _write_what_to_open(folder: Path) -> None:
    write(f"Look at {folder / 'overview.png'}, and open {folder / 'view.html'} in a browser.")


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
    n_layers: NLayers = None,
    threshold: Fraction = 0.5,
    average_symmetries: bool | None = None,
    unusable_frames: UnusableFrames = "skip",
    fit_offset: bool = True,
    find_defects: bool = True,
    max_lateral_um: LateralGate = 110.0,
    max_depth_um: DepthGate = 400.0,
    max_gap: Gap = 0,
    frame_interval_s: Interval = None,
    channels: Series = [],  # noqa: B006
    unmixing: Path | None = None,
    precision: Precision = "float32",
    device: str = "auto",
) -> None:
    """Reconstruct a 3-D map of cells from the images of one or two sensors.

    Writes to the folder
      volume.ome.tif  probability of a cell and uncertainty, mask, measurement, with
                      the axes time, channel, layer, y, x, pixel pitch and depths
      foci.csv        connected cells: frame, layer, depth, centre with standard
                      deviations, area, probability, and the cell: one number for
                      foci of neighbouring layers that are the same; of single
                      cells also the brightness
      foci.roi.zip    their outlines, for the ROI Manager of Fiji
      quality.csv     of each frame: residual of the reconstruction rendered
                      again, whether the images are out-of-distribution, share
                      of the pixels to abstain from; offsets and defects found
      tiles.csv       of large fields: how reliable each tile is
      overview.png    measurements, probability maps and layers in space, of the
                      first frame
      view.html       interactive 3-D view, of at most 50 frames

    A time series gives all this of its frames, and the folder tracks (see `foci3d
    track --help`). The same command resumes an interrupted reconstruction after
    its last frame, or the last tiles of a large field. A long one says every 30 s
    how far it is.

    Images in several channels give a folder for each of them, and foci.csv and
    quality.csv of all.

    Images are TIFF, OME-TIFF, PNG, NPY, HDF5 or .mat (FILE.h5:/NAME for an array
    in a file), linear in light, unsaturated and of equal exposure.

    The recalibration of a model is MODEL.recalibration.json beside MODEL.json.
    Without it, probabilities are as predicted, and whether the images are
    out-of-distribution is not available.

    For example:
      foci3d reconstruct --psf psf.h5 --sensor-a a.tif --sensor-b b.tif --out map
      foci3d reconstruct --specimen cells --psf psf.h5 --sensor-a a.tif --out map
      foci3d reconstruct --n-layers 3 --psf psf.h5
                         --sensor-a a.tif --sensor-b b.tif --out map

    Parameters
    ----------
    imager
        Deviations of the imager from its description (YAML), as `foci3d align` writes them.
    model
        Trained model (JSON), or the name of a released one. By default any_layers, or any_layers_one_sensor for images
        of sensor A alone, for none to six layers of cells. For four layers, at least 200 um apart, of cells like those
        of the paper, two_sensors and one_sensor are more accurate.
    specimen
        Layers of cells, found by the network; or, without it, a few single cells, up to about 50 in a field of 51 x 51
        pixels, or a volume of light. With auto, single cells if they explain the images to within their noise, else
        layers.
    threshold
        Probability above which a pixel is a cell, between 0 and 1.
    average_symmetries
        Average over flips and rotations: lower errors, in 5 to 10 times the time of the network. By default as the
        model was recalibrated, and yes without a recalibration.
    unusable_frames
        Whether to skip frames of a series that are blank, dark, saturated or missing, or to refuse the series.
    fit_offset
        Fit the even light on each sensor, such as autofluorescence, and subtract it where the images determine it.
    find_defects
        Find hot pixels and dead pixels, rows and columns, and fill them in; those that are given are filled in anyway.
    channels
        Names of the channels, of images that have several or, with {channel} for the name in their paths, of a file
        for each channel.
    unmixing
        Light of each fluorophore (column) in each channel (row; CSV, first column channel). Then fluorophores are
        reconstructed instead of channels.
    precision
        Precision of the network. In bfloat16, it takes a third of the time on processors that compute in it, and
        probabilities change by about 0.001.
    device
        cpu, cuda, cuda:1, ...; by default a GPU where there is one.
    """
    from foci3d.config.models import ConditioningConfig, TrackingConfig
    from foci3d.learning.released import default_model, find_model
    from foci3d.plots.reconstruction import write_reconstruction
    from foci3d.reconstruction.acquisition import RESUME_FOLDER, forget_frames, reconstruct_acquisition
    from foci3d.reconstruction.imager_correction import ImagerCorrection, load_corrected_model
    from foci3d.reconstruction.result_folder import join_channels

    if n_layers is not None and specimen in ("cells", "volume"):
        raise InputError(
            f"--n-layers: found with --specimen {specimen}; expected --specimen layers, leave one of them out."
        )
    correction = ImagerCorrection.load(imager) if imager else None
    if correction and correction.sensor_separation_um is not None and sensor_separation_um is not None:
        raise InputError(
            f"--sensor-separation-um: found {sensor_separation_um:g} beside {imager}, which has "
            f"{correction.sensor_separation_um:g}; expected one separation, leave one of them out."
        )
    trained = load_corrected_model(
        find_model(model) if model else default_model(2 if images.sensor_b else 1),
        correction,
        psf=psf,
        device=device,
        average_symmetries=average_symmetries,
        sensor_separation_um=sensor_separation_um,
        precision=precision,
    )
    known = {"pixel_pitch_um": trained.pixel_pitch_um, "frame_interval_s": frame_interval_s}
    acquisitions = _by_folder({"sample": "acquisition", **known, **images.columns()}, channels, unmixing)
    for name, acquisition in acquisitions.items():
        folder = out / name
        with show_progress():
            result = reconstruct_acquisition(
                acquisition,
                trained,
                specimen=specimen,
                threshold=threshold,
                n_layers=n_layers,
                imager=correction,
                conditioning=ConditioningConfig(offset=fit_offset, defects=find_defects),
                tracking=TrackingConfig(max_lateral_um=max_lateral_um, max_depth_um=max_depth_um, max_gap=max_gap),
                unusable_frames=unusable_frames,
                resume_folder=folder / RESUME_FOLDER,
            )
        write_reconstruction(result, folder)
        _write_summary(result, folder)
        forget_frames(folder)
    if channels:
        join_channels([out / name for name in acquisitions], out)
        write(f"{out}: foci.csv and quality.csv of all channels")


def _by_folder(
    columns: dict[str, Any], channels: Sequence[str], unmixing: Path | None
) -> "dict[str, Acquisition | Fluorophore]":
    """What to reconstruct, by the folder of its result in that of all: one acquisition, channels or fluorophores."""
    from foci3d.config.samples import make_acquisition
    from foci3d.io.unmixing import find_sources

    if not channels:
        if unmixing:
            raise InputError("--unmixing: found no --channels; expected their names, add them.")
        return {"": make_acquisition(columns)}
    if len(set(channels)) < len(channels):
        raise InputError(f"--channels: found {' '.join(channels)}; expected each name once, remove one.")
    acquisitions = []
    for channel in channels:
        texts = {name: value.replace("{channel}", channel) for name, value in columns.items() if isinstance(value, str)}
        acquisitions.append(make_acquisition({**columns, **texts, "channel": channel}))
    return {each.name.partition("/")[2]: each for each in find_sources(acquisitions, unmixing).values()}


def _write_summary(result: "AcquisitionReconstruction", folder: Path) -> None:
    """Write what was found, and what to look at."""
    if str(result.conditioning):
        write(one_line(f"{folder}: {result.conditioning}"))
    for number, each in enumerate(result.by_number()):
        frame = f", frame {number}" if result.n_frames > 1 else ""
        write(one_line(f"{folder}{frame}: {each.summary if each else f'skipped: {result.skipped[number]}'}"))
    if compared := result.compare_with_truth():
        write(one_line(f"{folder}: {compared}"))
    _write_what_to_open(folder)


@app.command
def view(
    folder: Path, /, *, threshold: Fraction | None = None, truth: Path | None = None, open_browser: bool = True
) -> None:
    """Write the interactive 3-D view of a result again, and open it in a browser.

    For example:
      foci3d view map --threshold 0.3

    Parameters
    ----------
    folder
        Folder of a result of `foci3d reconstruct`; its view.html is replaced.
    threshold
        Another probability above which a pixel is a cell.
    truth
        The true layers (volume.ome.tif) or cells (CSV), to show beside.
    open_browser
        Open the view.
    """
    import webbrowser

    from foci3d.plots.reconstruction import write_view
    from foci3d.reconstruction.result_folder import read_result
    from foci3d.reconstruction.truth import Truth

    result = read_result(folder, threshold)
    page = folder / "view.html"
    write_view(replace(result, truth=Truth.load(truth) if truth else None), page)
    opened = open_browser and webbrowser.open(page.resolve().as_uri())
    write(f"{page}: opened" if opened else f"{page}: open it in a browser")


@app.command
def track(
    foci: Files,
    /,
    *,
    out: Folder,
    max_lateral_um: LateralGate = 110.0,
    max_depth_um: DepthGate = 400.0,
    max_gap: Gap = 0,
    frame_interval_s: Interval = None,
) -> None:
    """Follow the cells of a time series: speed and direction.

    Links the cells of a time series from frame to frame. Writes to the folder
      tracks.csv   every cell with its frame and its track
      summary.csv  one row per track: frames, layers, displacement, speed with its
                   standard deviation, probability that it is at rest, direction
      tracks.png   tracks in the image plane, and depth against time

    Gates are the largest distances that a cell moves from one frame to the next,
    to which three standard deviations of its positions are added.

    For example:
      foci3d track map/foci.csv --max-lateral-um 60 --max-depth-um 300 --out map

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
    write(f"{out}: {len(tracks.summary)} tracks of {len(tracks.foci)} foci in {table['frame'].nunique()} frames")
