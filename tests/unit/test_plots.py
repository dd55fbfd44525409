"""The figures: what they draw, and that it can be read in print."""

import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.text import Text

from foci3d import nets
from foci3d.plots import (
    architecture,
    choice,
    deblur,
    depth,
    depth_maps,
    moving,
    slides,
    stacks,
    style,
    training,
    view3d,
)

PIXELS, PITCH_UM = 16, 55.0
DEPTHS_UM = np.array([110.0, 371.0, 602.0, 861.0])
PLANES_UM = (0.0, 1000.0)
BOUND = pd.DataFrame({"depth_um": [50.0, 1950.0], "class_accuracy": [0.98, 0.9]})
SHARES = [0.8, 0.4, 0.4, 0.8]


@pytest.fixture(autouse=True, scope="module")
def _style():
    with mpl.rc_context():
        style.use_style()
        yield


def make_stack(rng: np.random.Generator, sensors: int = 2) -> stacks.Stack:
    target = (rng.random((4, PIXELS, PIXELS)) < 0.35).astype(np.uint8)
    output = np.clip(0.7 * target + rng.uniform(0, 0.6, target.shape), 0, 1)
    layers = rng.lognormal(size=target.shape)
    return stacks.Stack(layers, rng.random((sensors, PIXELS, PIXELS)), output, target, DEPTHS_UM)


def depth_samples(rng: np.random.Generator, count: int = 200) -> pd.DataFrame:
    truth = rng.integers(0, 20, count)
    called = np.clip(truth + rng.choice([-2, -1, 0, 1], count, p=[0.02, 0.1, 0.8, 0.08]), 0, 19)
    return pd.DataFrame(
        {
            "sample": np.arange(count),
            "depth_um": 50.0 + 100 * truth,
            "predicted_um": 50.0 + 100 * called,
            "exact": (called == truth).astype(int),
            "within_one": (abs(called - truth) <= 1).astype(int),
            "loss": rng.gamma(2, 0.2, count),
        }
    )


def image_samples(rng: np.random.Generator, count: int = 40) -> pd.DataFrame:
    error = rng.uniform(0.01, 0.06, count)
    return pd.DataFrame(
        {
            "sample": np.arange(count),
            "depth_um": rng.uniform(0, 1000, count),
            "error": error,
            "identity_error": error + 0.01,
            "base_error": error + 0.2,
        }
    )


def mask_samples(rng: np.random.Generator, count: int = 20) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sample": np.repeat(np.arange(count), 4),
            "layer": np.tile(np.arange(1, 5), count),
            "error": rng.uniform(0.02, 0.3, 4 * count),
            "base_empty": rng.uniform(0.1, 0.6, 4 * count),
            "dice": rng.uniform(0.6, 1, 4 * count),
        }
    )


def pictures(rng: np.random.Generator, count: int = 40) -> dict[str, np.ndarray]:
    names = ("sensors", "output", "target")
    return {name: rng.lognormal(size=(count, 1, PIXELS, PIXELS)) for name in names}


def moving_summary(rng: np.random.Generator) -> pd.DataFrame:
    metrics = ["sensitivity", "specificity", "cluster_sensitivity", "cluster_specificity", "error"]
    rows = [(metric, layer) for metric in metrics for layer in ("1", "2", "3", "4", "all")]
    value = rng.uniform(0.7, 0.9, len(rows))
    table = pd.DataFrame(rows, columns=["metric", "layer"])
    return table.assign(value=value, ci_low=value - 0.03, ci_high=value + 0.02)


def roc_curves() -> pd.DataFrame:
    threshold = np.linspace(1, 0, 101)
    parts = []
    for power, layer in enumerate(("1", "2", "3", "4", "mean"), 2):
        false_positives = (1 - threshold) ** 2
        curve = {
            "layer": layer,
            "threshold": np.nan if layer == "mean" else threshold,
            "false_positive_rate": false_positives,
            "true_positive_rate": 1 - (1 - false_positives) ** power,
            "auc": power / (power + 1),
        }
        parts.append(pd.DataFrame(curve))
    return pd.concat(parts, ignore_index=True)


def training_table() -> pd.DataFrame:
    step = np.arange(100, 600, 100)
    score = [0.5, 0.3, 0.2, 0.25, 0.22]
    return pd.DataFrame({"step": step, "train_loss": 1 / step, "validation_loss": 2 / step, "validation_score": score})


@pytest.fixture(scope="module")
def figures(_style) -> dict[str, Figure]:
    rng = np.random.default_rng(0)
    stack, single, samples, images = make_stack(rng), make_stack(rng, 1), mask_samples(rng), image_samples(rng)
    arrays = pictures(rng)
    maps = {**arrays, "target": 500 * arrays["target"], "layers": np.repeat(arrays["target"], 2, 1)}
    steps, clusters = [make_stack(rng) for _ in range(4)], np.zeros((4, PIXELS, PIXELS))
    clusters[:, 4:8, 5:9] = 1
    table = depth_samples(rng)
    network = nets.build({"name": "conv_deconv", "widths": [4, 8, 8], "strides": [1, 2, 2], "kernel": 3}, 2, 4, PIXELS)
    return {
        "2a": depth.predictions_by_depth(table),
        "2b": depth.accuracy_by_depth(table, BOUND),
        "3a": deblur.examples(arrays, images, choice.median_cases_by_depth(images, 4), PITCH_UM),
        "3b": deblur.errors(images),
        "4a": stacks.example(stack, PITCH_UM),
        "4b": stacks.errors_by_layer(samples, SHARES),
        "4c": view3d.figure_3d(stack.output, DEPTHS_UM, PITCH_UM, PLANES_UM, 0.5),
        "5a": moving.scheme(steps, clusters, PITCH_UM, PLANES_UM),
        "5b": moving.step_by_step(steps, clusters, PITCH_UM),
        "6a": moving.rates(moving_summary(rng)),
        "6b": moving.roc(roc_curves()),
        "7": slides.slides(stack, samples[samples["sample"] == 3], PITCH_UM),
        "S1": depth_maps.maps_and_errors(maps, images, 3, PITCH_UM, 1000.0),
        "S2": stacks.example_and_errors(single, samples, PITCH_UM),
        "S3": architecture.architecture(architecture.find_blocks(network, 2, PIXELS), "net", stack, PITCH_UM),
        "training": training.curves(dict.fromkeys(("a_cnn", "b_cnn", "c_cnn", "d_cnn"), training_table())),
    }


def test_every_figure_fits_the_page_and_can_be_read(figures):
    for name, figure in figures.items():
        figure.get_layout_engine().execute(figure)
        width, height = figure.get_size_inches()
        assert width * 25.4 <= 180.01, name
        drawn = figure.get_tightbbox()
        assert drawn.x0 > -0.02, name
        assert drawn.y0 > -0.02, name
        assert drawn.x1 < width + 0.02, name
        assert drawn.y1 < height + 0.02, name
        assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 7, name


def test_axes_of_quantities_have_labels(figures):
    for name, figure in figures.items():
        for axes in figure.axes:
            if axes.axison and axes.name == "rectilinear":
                labels = [axes.get_xlabel(), axes.get_ylabel()]
                assert any(labels), name
                if axes.get_subplotspec() and axes.get_subplotspec().is_last_row():
                    assert labels[0], name


def test_saved_files_are_the_same_twice(tmp_path):
    for turn in ("first", "second"):
        figure = deblur.errors(image_samples(np.random.default_rng(1)))
        style.save(figure, tmp_path / f"{turn}.png", tmp_path / f"{turn}.svg")
    for suffix in ("png", "svg"):
        assert (tmp_path / f"first.{suffix}").read_bytes() == (tmp_path / f"second.{suffix}").read_bytes()
    ElementTree.parse(tmp_path / "first.svg")
    assert "dc:date" not in (tmp_path / "first.svg").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.png", "first.svg", "second.png", "second.svg"]


def test_a_layout_that_differs_in_its_last_bits_gives_the_same_file(tmp_path):
    for turn, width in (("first", 0.8), ("second", 0.8 + 1e-12)):
        figure = Figure()
        figure.add_axes((0.1, 0.1, width, 0.8)).plot([1, 2, 3])
        style.save(figure, tmp_path / f"{turn}.png", tmp_path / f"{turn}.svg")
    first, second = ((tmp_path / f"{turn}.svg").read_text() for turn in ("first", "second"))
    assert first == second
    used = set(re.findall(r"url\(#(\w+)\)|href=\"#(\w+)\"", first))
    assert used
    assert all(f'id="{clip or marker}"' in first for clip, marker in used)


def test_a_picture_is_shown_in_micrometres():
    axes = style.new_figure(50, 50).subplots()
    image = style.show_picture(axes, np.eye(10, 20), 55.0, bar_um=500)
    assert image.get_extent() == [0, 1100, 550, 0]
    (bar,) = [text for text in axes.findobj(Text) if "µm" in text.get_text()]
    assert bar.get_text() == "500 µm"


def test_an_outline_goes_around_the_pixels_of_a_mask():
    mask = np.zeros((10, 10))
    mask[2:5, 3:9] = 1
    axes = style.new_figure(50, 50).subplots()
    style.show_picture(axes, mask, 10.0)
    style.show_outline(axes, mask, 10.0)
    (outline,) = axes.findobj(ContourSet)
    box = outline.get_paths()[0].get_extents()
    np.testing.assert_allclose(box.extents, [30, 20, 90, 50])
    assert axes.get_xlim() == (0, 100)


def test_an_empty_mask_has_no_outline():
    axes = style.new_figure(50, 50).subplots()
    style.show_outline(axes, np.zeros((5, 5)), 10.0)
    assert not axes.findobj(ContourSet)


def test_median_case_is_nearest_to_the_median():
    samples = pd.DataFrame({"sample": [7, 7, 8, 8, 9, 9], "error": [0.0, 0.2, 0.1, 0.5, 0.8, 1.0]})
    assert choice.median_case(samples) == 8


def test_median_case_ignores_undefined_errors():
    samples = pd.DataFrame({"sample": [0, 1, 2, 3], "error": [np.nan, 0.1, 0.2, 0.9]})
    assert choice.median_case(samples) == 2


def test_median_case_of_groups():
    samples = pd.DataFrame({"sample": range(6), "group": [4, 4, 5, 5, 6, 6], "error": [9, 1, 2, 2, 3, 3]})
    assert choice.median_case(samples, by="group") == 6


def test_median_cases_by_depth_come_one_from_each_quarter():
    samples = image_samples(np.random.default_rng(2), 400)
    shown = choice.median_cases_by_depth(samples, 4)
    edges = np.linspace(samples["depth_um"].min(), samples["depth_um"].max(), 5)
    assert np.digitize(samples["depth_um"][shown], edges).tolist() == [1, 2, 3, 4]
    first = samples[samples["depth_um"] <= edges[1]]["error"]
    assert abs(samples["error"][shown[0]] - first.median()) == abs(first - first.median()).min()


def test_shades_are_shares_of_the_samples_of_a_depth():
    samples = depth_samples(np.random.default_rng(3), 500)
    axes = depth.predictions_by_depth(samples).axes[0]
    shares = axes.collections[0].get_array().reshape(20, 20)
    expected = 100 * pd.crosstab(samples["predicted_um"], samples["depth_um"], normalize="columns")
    np.testing.assert_allclose(shares, expected.to_numpy())


def test_points_stay_in_the_field_of_their_classes():
    samples = depth_samples(np.random.default_rng(3))
    x, y = depth.predictions_by_depth(samples).axes[0].lines[0].get_data()
    assert np.abs(x - samples["depth_um"]).max() < 50
    assert np.abs(y - samples["predicted_um"]).max() < 50
    assert np.std(x - samples["depth_um"]) > 10


def test_accuracy_by_depth_has_wilson_intervals():
    samples = depth_samples(np.random.default_rng(4), 800)
    accuracy, loss = depth.accuracy_by_depth(samples, BOUND).axes
    by_depth = samples.groupby("depth_um")["exact"]
    share, n = by_depth.mean().to_numpy(), by_depth.size().to_numpy()
    np.testing.assert_allclose(accuracy.lines[1].get_ydata(), 100 * share)
    np.testing.assert_allclose(accuracy.lines[2].get_ydata(), [98, 90])
    z = 1.959964
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    band = accuracy.collections[1].get_paths()[0].get_extents()
    assert band.y0 == pytest.approx(100 * (middle - half).min(), rel=1e-5)
    assert band.y1 == pytest.approx(100 * (middle + half).max(), rel=1e-5)
    np.testing.assert_allclose(loss.lines[0].get_ydata().astype(float), samples.groupby("depth_um")["loss"].mean())


def test_deblurred_examples_share_a_scale_and_name_their_depth():
    rng = np.random.default_rng(5)
    arrays, samples = pictures(rng), image_samples(rng)
    figure = deblur.examples(arrays, samples, [5, 9], PITCH_UM)
    first = [axes.images[0] for axes in (figure.axes[0], figure.axes[2], figure.axes[4])]
    assert {image.get_clim() for image in first} == {(0, np.quantile(arrays["target"][5], 0.99))}
    for image, name in zip(first, ("sensors", "output", "target"), strict=True):
        np.testing.assert_array_equal(image.get_array(), arrays[name][5, 0])
    assert figure.axes[1].get_title() == f"depth {samples['depth_um'][9]:.0f} µm"
    assert figure.axes[3].get_title() == f"error {100 * samples['error'][9]:.1f} %"


def test_distribution_marks_the_mean_of_the_defined_values():
    axes = style.new_figure(50, 50).subplots()
    style.show_distribution(axes, [1.0, 2.0, 6.0, np.nan], np.linspace(0, 10, 11), "mean {mean:.1f}", "blue")
    assert axes.lines[0].get_xdata() == [3, 3]
    assert axes.lines[0].get_label() == "mean 3.0"
    assert isinstance(axes.patches[0], Polygon)


def test_errors_by_layer_mark_the_means_of_network_and_base():
    samples = mask_samples(np.random.default_rng(6))
    panels = stacks.errors_by_layer(samples, SHARES).axes
    means = 100 * samples.groupby("layer")[["base_empty", "error"]].mean().to_numpy()
    np.testing.assert_allclose([[line.get_xdata()[0] for line in axes.lines] for axes in panels], means)
    assert panels[1].get_legend().get_title().get_text() == "layer 2, linear: 40 %"


def test_error_of_a_stack_counts_the_wrong_pixels():
    stack = make_stack(np.random.default_rng(7))
    wrong = [np.mean((output > 0.5) != truth) for output, truth in zip(stack.output, stack.target, strict=True)]
    np.testing.assert_allclose(stack.error, wrong)


@pytest.mark.parametrize("sensors", [1, 2])
def test_a_stack_shows_layers_outputs_and_truth_in_columns(sensors):
    stack = make_stack(np.random.default_rng(8), sensors)
    figure = style.new_figure(180, 120)
    columns = stacks.show_stack(figure, stack, PITCH_UM)
    for index, column in enumerate(columns):
        for axes, picture in zip(column, (stack.layers, stack.output, stack.target), strict=True):
            np.testing.assert_array_equal(axes.images[0].get_array(), picture[index])
        assert column[0].get_title() == f"layer {index + 1}\n{DEPTHS_UM[index]:.0f} µm"
    titles = [axes.get_title() for axes in figure.axes]
    assert ("sensor B" in titles) == (sensors == 2)


def test_stack_of_predictions_is_one_sample():
    rng = np.random.default_rng(9)
    arrays = {name: rng.random((3, 4, 5, 5)) for name in ("layers", "sensors", "output", "target", "masks")}
    arrays["depths_um"] = rng.random((3, 4))
    stack = stacks.Stack.of(arrays, 2)
    np.testing.assert_array_equal(stack.output, arrays["output"][2])
    np.testing.assert_array_equal(stack.depths_um, arrays["depths_um"][2])


def test_steps_of_a_group_come_in_order():
    rng = np.random.default_rng(13)
    arrays = {name: rng.random((6, 2, 5, 5)) for name in ("layers", "sensors", "output", "target")}
    arrays |= {"depths_um": rng.random((6, 2)), "cluster": rng.random((6, 5, 5))}
    arrays |= {"group": np.array([1, 0, 1, 0, 2, 2]), "step": np.array([1, 0, 0, 1, 0, 1])}
    steps, clusters = moving.steps_of(arrays, 1)
    np.testing.assert_array_equal(steps[0].output, arrays["output"][2])
    np.testing.assert_array_equal(steps[1].output, arrays["output"][0])
    np.testing.assert_array_equal(clusters, arrays["cluster"][[2, 0]])


def test_the_cluster_is_outlined_in_its_own_layer_only():
    rng = np.random.default_rng(14)
    clusters = np.zeros((4, PIXELS, PIXELS))
    clusters[:, 3:6, 3:6] = 1
    figure = moving.step_by_step([make_stack(rng) for _ in range(4)], clusters, PITCH_UM)
    for step, block in enumerate(figure.subfigs):
        grid = np.array([bool(axes.findobj(ContourSet)) for axes in block.axes]).reshape(3, 5)
        assert grid[:, 1 + step].all()
        assert grid.sum() == 3


def test_rates_show_values_and_intervals():
    summary = moving_summary(np.random.default_rng(15))
    whole, cluster = moving.rates(summary).axes
    for axes, prefix in ((whole, ""), (cluster, "cluster_")):
        for bars, name in zip(axes.containers, ("sensitivity", "specificity"), strict=True):
            rows = summary[summary["metric"] == prefix + name]
            points, _, (intervals,) = bars
            np.testing.assert_allclose(points.get_ydata(), 100 * rows["value"])
            ends = np.array([segment[:, 1] for segment in intervals.get_segments()])
            np.testing.assert_allclose(ends, 100 * rows[["ci_low", "ci_high"]])


def test_roc_names_the_areas_and_marks_the_threshold():
    curves = roc_curves()
    axes = moving.roc(curves).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [
        *(f"layer {layer}, area {power / (power + 1):.3f}" for layer, power in zip("1234", range(2, 6), strict=True)),
        "mean, area 0.857",
    ]
    marks = [line.get_data() for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(marks[0], [[25], [100 * (1 - 0.75**2)]])
    assert len(marks) == 4


def test_slides_name_error_and_dice_of_each_layer():
    rng = np.random.default_rng(16)
    scores = mask_samples(rng, 1)
    figure = slides.slides(make_stack(rng), scores, PITCH_UM)
    titles = [axes.get_title() for axes in figure.axes]
    for row in scores.itertuples():
        assert f"error {100 * row.error:.1f} %, Dice {row.dice:.2f}" in titles
    assert {"sensor A", "sensor B", "layer 4, 861 µm"} < set(titles)


def test_depth_maps_name_mean_and_deviation_of_the_pixel_error():
    rng = np.random.default_rng(17)
    arrays = {name: rng.uniform(0, 900, (6, 1, PIXELS, PIXELS)) for name in ("layers", "sensors", "output", "target")}
    figure = depth_maps.maps_and_errors(arrays, image_samples(rng, 6), 2, PITCH_UM, 1000.0)
    error = np.abs(arrays["output"] - arrays["target"]) / 10
    labels = [text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    assert f"network: mean {error.mean():.1f} %, sd {error.std():.1f} %" in labels


def test_training_marks_the_best_score():
    figure = training.curves({"a_cnn": training_table()})
    score = figure.axes[1]
    assert score.lines[1].get_xydata().tolist() == [[300, 0.2]]
