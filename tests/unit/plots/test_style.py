"""Shared elements of the figures, and the reproducibility of their files."""

import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from matplotlib.colors import to_hex
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.text import Text

from foci3d.plots import deblurring, style

OWN_STYLE = {
    "axes.labelsize",
    "axes.linewidth",
    "axes.prop_cycle",
    "axes.spines.right",
    "axes.spines.top",
    "axes.titlesize",
    "font.sans-serif",
    "font.size",
    "image.cmap",
    "image.interpolation",
    "legend.fontsize",
    "legend.frameon",
    "lines.linewidth",
    "lines.markersize",
    "savefig.dpi",
    "svg.hashsalt",
    "xtick.labelsize",
    "xtick.major.width",
    "ytick.labelsize",
    "ytick.major.width",
}
"""Settings that are not those of the theme."""


def test_saved_files_are_the_same_twice(tmp_path, image_samples):
    for turn in ("first", "second"):
        style.save(deblurring.errors(image_samples), tmp_path / f"{turn}.png", tmp_path / f"{turn}.svg")
    for suffix in ("png", "svg"):
        assert (tmp_path / f"first.{suffix}").read_bytes() == (tmp_path / f"second.{suffix}").read_bytes()
    ElementTree.parse(tmp_path / "first.svg")
    assert "dc:date" not in (tmp_path / "first.svg").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.png", "first.svg", "second.png", "second.svg"]


def test_a_matplotlibrc_changes_nothing(tmp_path):
    image = np.arange(12.0).reshape(3, 4)
    others = {"image.origin": "lower", "text.usetex": True, "axes.facecolor": "red", "svg.fonttype": "none"}
    for name, changes in (("plain", {}), ("changed", others)):
        with mpl.rc_context(changes):
            style.use_style()
            figure = style.new_figure(60, 60)
            style.show_image(figure.subplots(), image, 55.0, bar_um=100)
            figure.axes[0].set_title("$x$ µm")
            style.save(figure, tmp_path / f"{name}.png", tmp_path / f"{name}.svg")
    for suffix in ("png", "svg"):
        assert (tmp_path / f"plain.{suffix}").read_bytes() == (tmp_path / f"changed.{suffix}").read_bytes()


def test_layouts_that_differ_in_their_last_bits_give_the_same_file(tmp_path):
    for turn, width in (("first", 0.8), ("second", 0.8 + 1e-12)):
        figure = Figure()
        figure.add_axes((0.1, 0.1, width, 0.8)).plot([1, 2, 3])
        style.save(figure, tmp_path / f"{turn}.png", tmp_path / f"{turn}.svg")
    first, second = ((tmp_path / f"{turn}.svg").read_text() for turn in ("first", "second"))
    assert first == second
    used = set(re.findall(r"url\(#(\w+)\)|href=\"#(\w+)\"", first))
    assert used
    assert all(f'id="{clip or marker}"' in first for clip, marker in used)


def test_image_is_shown_in_micrometres():
    axes = style.new_figure(50, 50).subplots()
    image = style.show_image(axes, np.eye(10, 20), 55.0, bar_um=500)
    assert image.get_extent() == [0, 1100, 550, 0]
    (bar,) = [text for text in axes.findobj(Text) if "µm" in text.get_text()]
    assert bar.get_text() == "500 µm"


def test_outline_follows_the_pixels_of_a_mask():
    mask = np.zeros((10, 10))
    mask[2:5, 3:9] = 1
    axes = style.new_figure(50, 50).subplots()
    style.show_image(axes, mask, 10.0)
    style.show_outline(axes, mask, 10.0)
    (outline,) = axes.findobj(ContourSet)
    box = outline.get_paths()[0].get_extents()
    np.testing.assert_allclose(box.extents, [30, 20, 90, 50])
    assert axes.get_xlim() == (0, 100)


def test_empty_mask_has_no_outline():
    axes = style.new_figure(50, 50).subplots()
    style.show_outline(axes, np.zeros((5, 5)), 10.0)
    assert not axes.findobj(ContourSet)


def test_distributions_are_histograms_with_means_of_the_defined_values():
    axes = style.new_figure(50, 50).subplots()
    values = pd.DataFrame({"one": [1.0, 2.0, 6.0, np.nan], "other": [4.0, 4.0, 4.0, 40.0]})
    style.show_distributions(axes, values, {"one": ("one", "#0000ff"), "other": ("other", "#ff0000")})
    assert [line.get_xdata()[0] for line in axes.lines] == [3, 13]
    assert [line.get_label() for line in axes.lines] == ["one, mean 3.0 %", "other, mean 13.0 %"]
    counts = {to_hex(part.get_facecolor()[0]): part.get_paths()[0].vertices[:, 1] for part in axes.collections}
    assert counts["#ff0000"].max() == 3
    assert counts["#0000ff"].max() == 1


def test_the_style_is_the_theme_of_seaborn_with_other_sizes():
    sns.set_theme(context="paper", style="ticks", palette=style.SERIES)
    theme = dict(mpl.rcParams)
    style.use_style()
    differing = {name for name, value in mpl.rcParams.items() if value != theme[name] and name not in OWN_STYLE}
    assert {name for name in differing if mpl.rcParams[name] != pytest.approx(theme[name])} == set()
