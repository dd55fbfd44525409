"""Commands for the imager: calibrate its point-spread function, measure how it deviates from its description."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import Field

from foci3d.cli.app import Flag, Folder, Length, Separation, Series, app, write
from foci3d.config.fields import Count, Interval
from foci3d.errors import InputError


@app.command
def calibrate(
    scan: Path,
    depths: Path,
    /,
    *,
    out: Folder,
    n_pixels: Count = 51,
    pixel_pitch_um: Length = 55.0,
    scan_pitch_um: Length | None = None,
    saturation: Length = 4095.0,
    linear_fill_factor: Annotated[float, Field(gt=0, le=1)] = 1.0,
    kernel_model: Literal["parametric", "radial", "empirical"] = "parametric",
    depth_range_um: Annotated[Interval, Parameter(negative="")] = (0.0, 2000.0),
    depth_step_um: Length = 5.0,
) -> None:
    """Calibrate the point-spread function of an imager with a scan of beads or pinholes.

    Writes to the folder
      psf.h5        kernels at all depths, for `foci3d reconstruct --psf`
      profiles.csv  radial profiles of the beads, measured and fitted
      widths.csv    full width at half maximum against depth
      psf.png       kernels, profiles and widths with their residuals: look at
                    them before you use the file

    For example:
      foci3d calibrate scan.tif scan.csv --out psf

    Parameters
    ----------
    scan
        Stack of raw readings (depth, y, x), unsaturated, without subtraction of a background.
    depths
        CSV file with the column depth_um: depth of each frame from the surface of sensor A [um].
    n_pixels
        Pixels of the imager in y and in x.
    pixel_pitch_um
        Pixel pitch of the imager [um].
    scan_pitch_um
        Pixel pitch of the scan [um], by default that of the imager.
    saturation
        Reading at which a pixel is saturated.
    linear_fill_factor
        Light-sensitive width of a pixel, in pixel pitches.
    kernel_model
        Kernels of the fitted acceptance, or the measured profiles or images, for depths within the scan.
    depth_range_um
        First and last depth of the kernels [um].
    depth_step_um
        Distance of the kernels in depth [um].
    """
    from foci3d.calibration.scan import calibrate_scan
    from foci3d.plots import calibration as plots
    from foci3d.plots import style

    if depth_range_um[0] >= depth_range_um[1]:
        found = " ".join(f"{depth_um:g}" for depth_um in depth_range_um)
        raise InputError(f"--depth-range-um: found {found}; expected the smaller depth first. Swap them.")
    calibration = calibrate_scan(
        scan,
        depths,
        scan_pitch_um=scan_pitch_um or pixel_pitch_um,
        saturation=saturation,
        linear_fill_factor=linear_fill_factor,
        kernel_model=kernel_model,
        depth_range_um=depth_range_um,
        depth_step_um=depth_step_um,
        n_pixels=n_pixels,
        pixel_pitch_um=pixel_pitch_um,
    )
    calibration.save(out / "psf.h5", out / "profiles.csv", out / "widths.csv")
    style.use_style()
    style.save_png(plots.show_psf(calibration.psf, (calibration.profiles, calibration.widths)), out / "psf.png")
    write(f"{out / 'psf.h5'}: {calibration}")
    write(f"Look at {out / 'psf.png'}.")


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
    specimen: Literal["layers", "cells"] = "layers",
    fit: Literal["separation", "width", "neither"] | None = None,
    device: str = "auto",
) -> None:
    """Measure how an imager of two sensors deviates from its description.

    From acquisitions of one imager, finds the gain, shift and rotation of sensor B
    and, from single cells or beads, the separation of the sensors; from layers of
    cells, the offset of each sensor. Writes them with their standard errors for
    `foci3d reconstruct --imager`. Three acquisitions of about five cells each are
    enough; of layers, ten or more are good. It takes a few seconds for each.

    For example:
      foci3d align --specimen cells --psf psf.h5 --sensor-a 1a.tif 2a.tif --sensor-b 1b.tif 2b.tif --out imager.yaml

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
        Trained model (JSON) of two sensors that uses the PSF; by default the released one.
    specimen
        Layers of cells, or a few single cells or beads that are smaller than a pixel, which determine more.
    fit
        What to fit besides, of two that cannot be distinguished: the separation, or the width of the point-spread
        function. By default the separation from cells, and neither from layers, which determine neither.
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
    imager = align(rows, trained, specimen=specimen, fit=fit)
    imager.save(out)
    write(f"{out}: {imager}")
