"""The calibrated point-spread function: its kernels, and the measurements of a scan with their fit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from foci3d.optics.psf import PSF
from foci3d.plots import style
from foci3d.plots.style import COLORS, SERIES

SHOWN_UM = (100, 250, 500, 1000, 1500)
"""Depths whose kernels and profiles are shown, or the nearest ones that the PSF covers."""


def show_psf(psf: PSF, measured: tuple[pd.DataFrame, pd.DataFrame] | None) -> Figure:
    """Show kernels in the field of view and, for a scan, profiles and widths with their residuals.

    Parameters
    ----------
    psf : PSF
        Kernels, with fwhm_deg, standoff_um and their standard errors in the attributes if these were fitted.
    measured : tuple of DataFrame, optional
        Profiles (depth_um, radius_um, measured, measured_se, fitted, residual) and widths (depth_um, fwhm_um,
        fwhm_se_um, fitted_fwhm_um) of a calibration.

    Returns
    -------
    Figure
        Kernels, each scaled to its maximum; below, the scan.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 45 if measured is None else 115)
    if measured is None:
        _show_kernels(figure, psf)
        return figure
    ((top,), (bottom,)) = figure.subfigures(2, 1, squeeze=False, height_ratios=[1, 1.4])
    _show_kernels(top, psf)
    _show_scan(bottom, *measured, psf.attributes)
    return figure


def _nearest(depths_um: npt.NDArray[Any]) -> list[int]:
    """Indices of the depths nearest to those shown, without repetition."""
    return sorted({int(np.abs(depths_um - shown).argmin()) for shown in SHOWN_UM})


def _show_kernels(figure: Figure | SubFigure, psf: PSF) -> None:
    kernels, depths_um = psf.kernels.numpy(), psf.depths_um.numpy()
    indices, edge = _nearest(depths_um), kernels.shape[-1] // 4
    for column, (axes, index) in enumerate(zip(figure.subplots(1, len(indices)), indices, strict=True)):
        field = kernels[index, edge:-edge, edge:-edge]
        bar_um = 1000.0 if column == 0 else None
        style.show_image(axes, field, psf.pixel_pitch_um, limits=(0, field.max()), bar_um=bar_um)
        axes.set_title(f"{depths_um[index]:.0f} µm")


def _show_scan(figure: SubFigure, profiles: pd.DataFrame, widths: pd.DataFrame, attributes: Mapping[str, Any]) -> None:
    (shape, width), (shape_residual, width_residual) = figure.subplots(2, 2, sharex="col", height_ratios=[2, 1])
    _show_profiles(shape, shape_residual, profiles)
    _show_widths(width, width_residual, widths)
    fit = (
        f"fit: {attributes['fwhm_deg']:.2f} ± {1.96 * attributes['fwhm_se_deg']:.2f}°, "
        f"stand-off {attributes['standoff_um']:.1f} ± {1.96 * attributes['standoff_se_um']:.1f} µm"
    )
    width.set_title(fit)
    figure.align_ylabels()


def _show_profiles(above: Axes, below: Axes, profiles: pd.DataFrame) -> None:
    """Measured and fitted profiles of some depths, and their difference over its standard error."""
    depths_um = np.unique(profiles["depth_um"])
    for index, color in zip(_nearest(depths_um), SERIES, strict=False):
        part = profiles[profiles["depth_um"] == depths_um[index]]
        peak, radius_um = part["fitted"].max(), part["radius_um"]
        above.errorbar(radius_um, part["measured"] / peak, 1.96 * part["measured_se"] / peak, fmt=".", color=color)
        above.plot(radius_um, part["fitted"] / peak, color=color, label=f"{depths_um[index]:.0f} µm")
        below.plot(radius_um, part["residual"] / part["measured_se"], ".", color=color)
    for limit in (-1.96, 1.96):
        below.axhline(limit, color=COLORS["grey"], linewidth=0.6, linestyle="--")
    above.set(ylabel="intensity / fitted peak", title="points: measured, 95 % interval; lines: fit")
    above.legend(loc="upper right")
    below.set(xlabel="radius [µm]", ylabel="residual / s.e.")


def _show_widths(above: Axes, below: Axes, widths: pd.DataFrame) -> None:
    """Width measured at each depth and fitted to all depths, and their difference."""
    depth_um, bars_um = widths["depth_um"], 1.96 * widths["fwhm_se_um"]
    above.errorbar(depth_um, widths["fwhm_um"], bars_um, fmt=".", color=COLORS["blue"])
    above.plot(depth_um, widths["fitted_fwhm_um"], color=COLORS["orange"])
    above.set(ylabel="full width at\nhalf maximum [µm]")
    below.errorbar(depth_um, widths["fwhm_um"] - widths["fitted_fwhm_um"], bars_um, fmt=".", color=COLORS["blue"])
    below.axhline(0, color=COLORS["orange"])
    below.set(xlabel="depth [µm]", ylabel="residual [µm]")
