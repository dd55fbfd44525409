"""One style for all figures: print sizes, a color-blind-safe palette, reproducible files, and shared panel elements."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from matplotlib.rcsetup import cycler
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

from foci3d.io.atomic import atomic_path

COLORS: Mapping[str, str] = MappingProxyType(
    {
        "black": "#000000",
        "orange": "#E69F00",
        "sky": "#56B4E9",
        "green": "#009E73",
        "yellow": "#F0E442",
        "blue": "#0072B2",
        "vermilion": "#D55E00",
        "purple": "#CC79A7",
        "grey": "#7F7F7F",
    }
)
"""The palette of Okabe and Ito (jfly.uni-koeln.de/color, 2008), with a grey."""

SERIES = [COLORS[name] for name in ("blue", "orange", "green", "purple", "sky", "vermilion")]
"""Colors of layers and of other series, in order."""

INTENSITY = "inferno"
"""Color map of images."""

CELLS = LinearSegmentedColormap.from_list("cells", [COLORS["black"], COLORS["yellow"]])
"""Color map of masks and probabilities: black is empty, yellow holds cells."""

MARK = COLORS["sky"]
"""Color of outlines on images and maps."""

FULL_WIDTH_MM = 180.0
"""Width of a page of the journal."""

STYLE: Mapping[Any, Any] = MappingProxyType(
    {
        "axes.axisbelow": True,
        "axes.edgecolor": ".15",
        "axes.labelcolor": ".15",
        "axes.labelsize": 8,
        "axes.linewidth": 0.6,
        "axes.prop_cycle": cycler(color=SERIES),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 8,
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 8,
        "grid.color": ".8",
        "image.cmap": INTENSITY,
        "image.interpolation": "none",
        "legend.fontsize": 7,
        "legend.frameon": False,
        "legend.title_fontsize": 9.6,
        "lines.linewidth": 1.2,
        "lines.markersize": 3.5,
        "lines.solid_capstyle": "round",
        "patch.edgecolor": "w",
        "patch.force_edgecolor": True,
        "patch.linewidth": 0.8,
        "savefig.dpi": 300,
        "svg.hashsalt": "foci3d",
        "text.color": ".15",
        "xtick.color": ".15",
        "xtick.labelsize": 7,
        "xtick.major.size": 4.8,
        "xtick.major.width": 0.6,
        "xtick.minor.size": 3.2,
        "xtick.minor.width": 0.8,
        "ytick.color": ".15",
        "ytick.labelsize": 7,
        "ytick.major.size": 4.8,
        "ytick.major.width": 0.6,
        "ytick.minor.size": 3.2,
        "ytick.minor.width": 0.8,
    }
)
"""What differs from matplotlib's own defaults: the theme "ticks" of seaborn for papers, and smaller type.

It is written out because seaborn takes as long to import as a reconstruction to draw.
"""


def use_style() -> None:
    """Set the defaults of matplotlib for every figure of this process, not those of a matplotlibrc."""
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(STYLE)


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """An empty figure of a size in print, with constrained layout."""
    return Figure(figsize=(width_mm / 25.4, height_mm / 25.4), layout="constrained")


def save_png(figure: Figure, png: Path) -> None:
    """Write a figure as PNG; equal figures give equal bytes."""
    with atomic_path(png) as path:
        figure.savefig(path, metadata={"Software": None})


def save(figure: Figure, png: Path, svg: Path) -> None:
    """Write a figure as PNG and SVG; equal figures give equal bytes."""
    save_png(figure, png)
    with atomic_path(svg) as path:
        figure.savefig(path, metadata={"Date": None})
        path.write_text(_number_ids(path.read_text(encoding="utf-8")), encoding="utf-8")


def _number_ids(svg: str) -> str:
    """Number the ids of clips and markers, which are hashes of layout values whose last bits vary between runs."""
    ids = dict.fromkeys(re.findall(r'id="([a-z][0-9a-f]{10})"', svg))
    numbers = {name: f"{name[0]}{number}" for number, name in enumerate(ids)}
    return re.sub(r"\b[a-z][0-9a-f]{10}\b", lambda match: numbers.get(match[0], match[0]), svg)


def intensity_limits(image: npt.NDArray[Any]) -> tuple[float, float]:
    """Display limits of an image: 0 and its 99 % quantile, so that a few bright pixels do not darken the rest."""
    return 0.0, float(np.quantile(image, 0.99))


def show_image(
    axes: Axes,
    image: npt.NDArray[Any],
    pixel_pitch_um: float,
    *,
    cmap: str | Colormap = INTENSITY,
    limits: tuple[float, float] | None = None,
    bar_um: float | None = None,
) -> AxesImage:
    """Show an image in micrometres without ticks, and a scale bar below it where a length is given.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    image : ndarray (Y, X)
        Image or map.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    cmap : str or Colormap
        Color map: `INTENSITY`, or `CELLS` for masks and probabilities.
    limits : tuple of float, optional
        Values at the ends of the color map; by default the `intensity_limits` of the image.
    bar_um : float, optional
        Length of the scale bar [um].

    Returns
    -------
    AxesImage
        For a color bar.
    """
    low, high = intensity_limits(image) if limits is None else limits
    height_um, width_um = (pixels * pixel_pitch_um for pixels in image.shape)
    drawn = axes.imshow(image, cmap=cmap, vmin=low, vmax=high, extent=(0, width_um, height_um, 0))
    axes.autoscale(enable=False)
    axes.set_axis_off()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_visible(False)  # or the layout would place the labels of ticks that nobody sees
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
    return drawn


def show_outline(
    axes: Axes,
    mask: npt.NDArray[Any],
    pixel_pitch_um: float,
    color: str = MARK,
    *,
    linestyle: str = "solid",
    halo: bool = False,
) -> None:
    """Draw the border of a mask `(Y, X)` on an image; a dark halo makes it legible on any background."""
    padded = np.pad((mask > 0).astype(float), 1)
    y_um, x_um = ((np.arange(pixels) - 0.5) * pixel_pitch_um for pixels in padded.shape)
    if not padded.any():
        return
    outline = axes.contour(x_um, y_um, padded, [0.5], colors=[color], linewidths=0.9, linestyles=[linestyle])
    if halo:
        outline.set_path_effects([withStroke(linewidth=2.2, foreground=COLORS["black"])])


def lighten(color: str, share: float) -> str:
    """A color mixed with a share of white.

    >>> lighten("#000000", 0.5)
    '#808080'
    """
    red, green, blue = (share + (1 - share) * part for part in to_rgb(color))
    return to_hex((red, green, blue))


def layer_title(layer: int, depth_um: float) -> str:
    """Title of the image of one layer, counted from 1 at sensor A."""
    return f"layer {layer}, {depth_um:.0f} µm"


def label_row(axes: Axes, label: str) -> None:
    """Write a vertical label to the left of the first image of a row."""
    axes.text(-0.05, 0.5, label, rotation=90, ha="right", va="center", transform=axes.transAxes)


def show_distributions(axes: Axes, percent: pd.DataFrame, methods: Mapping[str, tuple[str, str]]) -> None:
    """Draw a histogram of each column in percent, and its mean as a line that the legend names.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    percent : DataFrame
        Values of at least 0, one column per method; NaN is left out.
    methods : mapping of str to tuple
        Label and color of each column.
    """
    import seaborn as sns  # slow to import, and whoever shows a reconstruction needs it not

    bins = np.linspace(0, np.nanmax(percent.to_numpy()), 41)
    palette = {column: color for column, (_, color) in methods.items()}
    sns.histplot(percent, bins=bins, element="step", palette=palette, alpha=0.5, legend=False, ax=axes)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    for column, (label, color) in methods.items():
        mean = percent[column].mean()
        axes.axvline(mean, color=color, label=f"{label}, mean {mean:.1f} %")


def legend_above(axes: Axes, title: str | None = None) -> None:
    """Put the legend above the axes, where it covers no data."""
    axes.legend(
        title=title,
        title_fontsize=8,
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        handlelength=1.2,
    )
