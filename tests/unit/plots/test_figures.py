"""Layout of the figures at print size: everything inside the page, legible, with labelled axes."""

from collections.abc import Callable, Iterator
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from predicted import make_predictions
from torch import nn

from foci3d.io.samples import Samples
from foci3d.optics.psf import PSF
from foci3d.plots import (
    architecture,
    calibration,
    deblurring,
    depth_classes,
    depth_maps,
    moving,
    reconstruction,
    scenes,
    slides,
    stacks,
    training,
    trust,
    view3d,
)

PITCH_UM, PLANES_UM = 55.0, (0.0, 1000.0)
MARGIN = 4  # pixels of 1/300 inch
Draw = Callable[[pytest.FixtureRequest], Figure]


def get(request: pytest.FixtureRequest, *names: str) -> Iterator:
    return (request.getfixturevalue(name) for name in names)


def draw_moving(request: pytest.FixtureRequest) -> tuple[list[stacks.Stack], np.ndarray]:
    (make_stack,) = get(request, "make_stack")
    clusters = np.zeros((4, 16, 16))
    clusters[:, 4:8, 5:9] = 1
    return [make_stack() for _ in range(4)], clusters


def draw_examples(request: pytest.FixtureRequest) -> Figure:
    images, samples = get(request, "images", "image_samples")
    return deblurring.examples(make_predictions("deblurring", **images), samples, [3, 9, 20, 4], PITCH_UM)


def draw_depth_maps(request: pytest.FixtureRequest) -> Figure:
    images, samples, by_coverage = get(request, "images", "image_samples", "by_coverage")
    arrays = {**images, "target": 500 * images["target"], "layers": np.repeat(images["target"], 2, 1)}
    return depth_maps.maps_and_errors(
        make_predictions("depth_map", **arrays), samples, by_coverage, 3, PITCH_UM, 1000.0
    )


def draw_slides(request: pytest.FixtureRequest) -> Figure:
    make_stack, samples, summary = get(request, "make_stack", "mask_samples", "mask_summary")
    return slides.slides(make_stack(), samples[samples["sample"] == 3], summary, PITCH_UM)


def draw_psf(request: pytest.FixtureRequest) -> Figure:
    depths_um = np.array([100.0, 250, 500, 1000, 1500])
    profiles = pd.DataFrame({"depth_um": np.repeat(depths_um, 3), "radius_um": np.tile([0.0, 55, 110], 5)})
    profiles = profiles.assign(measured=1.0, measured_se=0.1, fitted=1.1, residual=-0.1)
    widths = pd.DataFrame({"depth_um": depths_um, "fwhm_um": 0.6 * depths_um, "fitted_fwhm_um": 0.61 * depths_um})
    fit = {"fwhm_deg": 36.0, "fwhm_se_deg": 0.1, "standoff_um": 20.0, "standoff_se_um": 2.0}
    psf = PSF(torch.full((5, 31, 31), 1 / 31**2), torch.from_numpy(depths_um), PITCH_UM, fit)
    return calibration.show_psf(psf, (profiles, widths.assign(fwhm_se_um=5.0)))


def draw_scenes(request: pytest.FixtureRequest) -> Figure:
    make_stack, rng = get(request, "make_stack", "rng")
    stack = make_stack()
    sample = Samples(
        layers=stack.layers, masks=stack.target, measurements=stack.measurements, depths_um=stack.depths_um
    )
    layers = pd.DataFrame({name: rng.normal(1, 0.1, 50) for name in scenes.LABELS})
    statistics = pd.DataFrame({"statistic": [*scenes.LABELS], "published_low": 0.9, "published_high": 1.1})
    return scenes.scenes(sample, layers, statistics, PITCH_UM)


def draw_reconstruction(request: pytest.FixtureRequest) -> Figure:
    make_stack, make_reconstruction = get(request, "make_stack", "make_reconstruction")
    stack = make_stack()
    return reconstruction.overview(
        make_reconstruction(stack.measurements, stack.output, stack.depths_um.tolist(), stack.depths_um.tolist())
    )


def draw_architecture(request: pytest.FixtureRequest) -> Figure:
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 4, 3))
    return architecture.architecture(network, "a_cnn", next(get(request, "make_stack"))(), PITCH_UM)


def draw_reliability(request: pytest.FixtureRequest) -> Figure:
    share = np.linspace(0.05, 0.95, 8)
    parts = [
        pd.DataFrame({"recalibration": when, "layer": layer, "predicted": share, "observed": share**1.1})
        for when in trust.WHEN
        for layer in (1, 2)
    ]
    rows = [(metric, layer, 0.01) for _, metric in trust.WHEN.values() for layer in ("1", "2", "all")]
    return trust.reliability(pd.concat(parts), pd.DataFrame(rows, columns=["metric", "layer", "value"]))


def draw_risk_coverage(request: pytest.FixtureRequest) -> Figure:
    coverage = np.linspace(0.1, 1, 50)
    curve = pd.DataFrame({"coverage": coverage, "risk": coverage**2 / 10, "ideal_risk": np.maximum(coverage - 0.9, 0)})
    return trust.risk_coverage(curve, 0.9)


def draw_trust_scores(request: pytest.FixtureRequest) -> Figure:
    rng = np.random.default_rng(0)
    parts = [pd.DataFrame({"inputs": kind, "score": rng.normal(n, 1, 30)}) for n, kind in enumerate(trust.INPUTS)]
    table = pd.concat(parts, ignore_index=True)
    summary = pd.DataFrame({"metric": "auroc", "inputs": [*trust.INPUTS][1:], "value": 0.9})
    return trust.scores(table.assign(threshold=2.0), summary)


BOUNDS = pd.DataFrame({"depth_um": [50.0, 1950.0], "class_accuracy": [0.98, 0.9]})
FIGURES: dict[str, Draw] = {
    "2a": lambda request: depth_classes.predictions_by_depth(*get(request, "depth_samples")),
    "2b": lambda request: depth_classes.accuracy_by_depth(*get(request, "depth_samples"), BOUNDS),
    "3a": draw_examples,
    "3b": lambda request: deblurring.errors(*get(request, "image_samples")),
    "4a": lambda request: stacks.example(dict.fromkeys("ab", next(get(request, "make_stack"))()), PITCH_UM),
    "4b": lambda request: stacks.errors_by_layer(*get(request, "mask_samples"), [0.8, 0.4, 0.4, 0.8]),
    "4c": lambda request: view3d.figure_3d(
        next(get(request, "make_stack"))().output, [110.0, 371, 602, 861], PITCH_UM, PLANES_UM, 0.5
    ),
    "5a": lambda request: moving.scheme(*draw_moving(request), PITCH_UM, PLANES_UM),
    "5b": lambda request: moving.step_by_step(*draw_moving(request), PITCH_UM),
    "6a": lambda request: moving.rates(*get(request, "moving_summary")),
    "6b": lambda request: moving.roc(*get(request, "roc_curves")),
    "7": draw_slides,
    "S1": draw_depth_maps,
    "S2": lambda request: stacks.example_and_errors(
        next(get(request, "make_stack"))(1), *get(request, "mask_samples"), PITCH_UM
    ),
    "S3": draw_architecture,
    "ood": draw_trust_scores,
    "psf": draw_psf,
    "reconstruction": draw_reconstruction,
    "reliability": draw_reliability,
    "risk_coverage": draw_risk_coverage,
    "scenes": draw_scenes,
    "training": lambda request: training.curves(dict.fromkeys("abcd", *get(request, "training_table"))),
}


@pytest.fixture(params=FIGURES)
def figure(request: pytest.FixtureRequest) -> Figure:
    return FIGURES[request.param](request)


def test_figure_has_the_width_of_a_page_and_free_margins(figure: Figure) -> None:
    assert figure.get_size_inches()[0] * 25.4 <= 180.01
    file = BytesIO()
    figure.savefig(file)
    with Image.open(file) as image:
        pixels = np.asarray(image.convert("L"))
    for edge in (pixels[:MARGIN], pixels[-MARGIN:], pixels[:, :MARGIN], pixels[:, -MARGIN:]):
        assert edge.min() > 200


def test_text_is_at_least_seven_points(figure: Figure) -> None:
    figure.draw_without_rendering()
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
    assert min(sizes) >= 7


def test_axes_with_scales_have_labels(figure: Figure) -> None:
    figure.draw_without_rendering()
    for axes in figure.axes:
        if axes.axison and axes.name == "rectilinear" and axes.get_label() != "<colorbar>":
            position = axes.get_subplotspec()
            named_ticks = any("layer" in label.get_text() for label in axes.get_xticklabels())
            assert axes.get_xlabel() or named_ticks or not position.is_last_row()
            assert axes.get_ylabel() or not position.is_first_col()
