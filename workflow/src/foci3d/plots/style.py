"""One style for every figure: print sizes, colours that colour-blind readers can tell apart, files without dates."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

from foci3d import store

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "black": "#000000",
        "orange": "#E69F00",
        "sky": "#56B4E9",
        "green": "#009E73",
        "yellow": "#F0E442",
        "blue": "#0072B2",
        "vermilion": "#D55E00",
        "purple": "#CC79A7",
        "grey": "#999999",
    }
)
"""The palette of Okabe and Ito (jfly.uni-koeln.de/color, 2008), with a grey."""

SERIES = [COLOURS[name] for name in ("blue", "orange", "green", "purple", "sky", "vermilion")]
"""Colours of the layers and of other series, in order."""

PICTURES = "inferno"
"""Colour map of pictures, from black to light."""

CELLS = LinearSegmentedColormap.from_list("cells", [COLOURS["black"], COLOURS["yellow"]])
"""Colour map of masks and probabilities: black is empty, yellow holds cells."""

MARK = COLOURS["sky"]
"""Colour of outlines on pictures and maps."""

FULL_WIDTH_MM = 180.0
"""Width of a page of the journal."""


def use_style() -> None:
    """Set matplotlib's defaults for every figure of this process."""
    mpl.rcParams.update(
        {
            "axes.grid": False,
            "axes.labelsize": 8,
            "axes.linewidth": 0.6,
            "axes.prop_cycle": cycler(color=SERIES),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 8,
            "font.size": 8,
            "image.cmap": PICTURES,
            "image.interpolation": "none",
            "legend.fontsize": 7,
            "legend.frameon": False,
            "lines.linewidth": 1.2,
            "lines.markersize": 3.5,
            "savefig.dpi": 300,
            "svg.hashsalt": "foci3d",
            "xtick.labelsize": 7,
            "xtick.major.width": 0.6,
            "ytick.labelsize": 7,
            "ytick.major.width": 0.6,
        }
    )


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """Make an empty figure of a size in print, whose parts are laid out without overlaps."""
    return Figure(figsize=(width_mm / 25.4, height_mm / 25.4), layout="constrained")


def save(figure: Figure, png: str | Path, svg: str | Path) -> None:
    """Write a figure as PNG and SVG; the same figure gives the same bytes."""
    with store.replacing(png) as path:
        figure.savefig(path, metadata={"Software": None})
    with store.replacing(svg) as path:
        figure.savefig(path, metadata={"Date": None})
        path.write_text(_number_names(path.read_text(encoding="utf-8")), encoding="utf-8")


def _number_names(svg: str) -> str:
    """Number the names of clips and markers, which hash the last bits of a layout that vary from run to run."""
    names = dict.fromkeys(re.findall(r'id="([a-z][0-9a-f]{10})"', svg))
    numbers = {name: f"{name[0]}{number}" for number, name in enumerate(names)}
    return re.sub(r"\b[a-z][0-9a-f]{10}\b", lambda match: numbers.get(match[0], match[0]), svg)


def value_range(picture: npt.NDArray[Any]) -> tuple[float, float]:
    """Range of values to show of a picture: 0 to its 99 % quantile, so that a few bright pixels do not dim the rest."""
    return 0.0, float(np.quantile(picture, 0.99))


def show_picture(
    axes: Axes,
    picture: npt.NDArray[Any],
    pixel_pitch_um: float,
    *,
    cmap: str | Colormap = PICTURES,
    limits: tuple[float, float] | None = None,
    bar_um: float | None = None,
) -> AxesImage:
    """Show a picture with axes in um and, instead of ticks, a scale bar below it.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    picture : ndarray (Y, X)
        Picture or map.
    pixel_pitch_um : float
        Distance of neighbouring pixels [um].
    cmap : str or Colormap
        Colour map: `PICTURES`, or `CELLS` for masks and probabilities.
    limits : tuple of float, optional
        Values at the ends of the colour map; by default `value_range` of the picture.
    bar_um : float, optional
        Length of the scale bar [um]; none by default.

    Returns
    -------
    AxesImage
        For a colour bar.
    """
    low, high = value_range(picture) if limits is None else limits
    height_um, width_um = (pixels * pixel_pitch_um for pixels in picture.shape)
    image = axes.imshow(picture, cmap=cmap, vmin=low, vmax=high, extent=(0, width_um, height_um, 0))
    axes.autoscale(enable=False)
    axes.set_axis_off()
    if bar_um is not None:
        bar = AnchoredSizeBar(
            axes.transData,
            bar_um,
            f"{bar_um:g} µm",
            "upper left",
            pad=0.2,
            borderpad=0,
            sep=1.5,
            frameon=False,
            size_vertical=0.015 * height_um,
            fontproperties=FontProperties(size=7),
            bbox_to_anchor=(0, 0),
            bbox_transform=axes.transAxes,
        )
        axes.add_artist(bar)
    return image


def show_outline(axes: Axes, mask: npt.NDArray[Any], pixel_pitch_um: float, colour: str = MARK) -> None:
    """Draw the border of a mask `(Y, X)` on a picture that `show_picture` has drawn."""
    padded = np.pad((mask > 0).astype(float), 1)
    y_um, x_um = ((np.arange(pixels) - 0.5) * pixel_pitch_um for pixels in padded.shape)
    if padded.any():
        axes.contour(x_um, y_um, padded, levels=[0.5], colors=[colour], linewidths=0.8)


def layer_title(layer: int, depth_um: float) -> str:
    """Title of the picture of one layer, counted from 1 at sensor A."""
    return f"layer {layer}, {depth_um:.0f} µm"


def label_row(axes: Axes, label: str) -> None:
    """Write a label upright at the left of the first picture of a row."""
    axes.text(-0.05, 0.5, label, rotation=90, ha="right", va="center", transform=axes.transAxes)


def show_distribution(
    axes: Axes, values: npt.ArrayLike, bins: npt.NDArray[np.floating[Any]], label: str, colour: str
) -> None:
    """Draw the histogram of some values and their mean; `{mean}` in the label becomes the mean."""
    defined = np.asarray(values)[~np.isnan(values)]
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.hist(defined, list(bins), color=colour, alpha=0.5, edgecolor=colour, histtype="stepfilled")
    axes.axvline(defined.mean(), color=colour, label=label.format(mean=defined.mean()))


def legend_above(axes: Axes, title: str | None = None) -> None:
    """Put the legend above the axes, where it hides nothing."""
    axes.legend(
        title=title,
        title_fontsize=8,
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        handlelength=1.2,
    )
