"""The table and the figure of errors on perturbed imagers."""

import pandas as pd

from fig_robustness import robustness
from foci3d.config.perturbations import PERTURBATIONS, UNPERTURBED
from make_robustness import robustness_page, robustness_table


def test_means_over_layers_become_rows_by_perturbation_and_columns_by_network():
    rows = [
        (network, metric, layer, kind, amount, value)
        for network, value in (("cnn", 0.1), ("unet", 0.05))
        for metric in ("error", "auc")
        for layer in ("1", "all")
        for kind, amount in (("none", 0.0), ("psf_width_error", -0.25), ("full_well_electrons", 2000.0))
    ]
    scores = pd.DataFrame(rows, columns=["network", "metric", "layer", "perturbation", "amount", "value"])
    scores = scores.assign(
        dataset="stack2", task="stacks", ci_low=scores["value"] - 0.01, ci_high=scores["value"] + 0.01, n=4
    )
    table = robustness_table(scores)
    assert len(table) == 6
    sections = robustness_page(table).sections
    assert list(sections) == ["stack2: Error [%]"]
    section = sections["stack2: Error [%]"]
    assert section["Measurement"].tolist() == ["as calibrated", "width of the PSF -25 %", "noise, full well 2000 e-"]
    assert section["unet"].tolist() == ["5 (4 to 6)"] * 3


def test_each_network_is_drawn_in_percent_beside_its_error_on_the_calibrated_imager():
    kinds = [name for name in PERTURBATIONS if name != UNPERTURBED.name]
    amounts = {"none": [0.0], **{kind: [-0.5, 0.5] for kind in kinds}, "full_well_electrons": [1e3, 1e5]}
    parts = [
        pd.DataFrame({"perturbation": kind, "amount": values, "network": network, "dataset": dataset, "metric": metric})
        for kind, values in amounts.items()
        for network, dataset, metric in (("cnn", "stack2", "error"), ("cnn", "stack2", "depth_error_um"))
    ]
    figure = robustness(pd.concat(parts).assign(value=0.1, ci_low=0.09, ci_high=0.12))
    assert len(figure.axes) == 2 * len(kinds)
    width, noise = (figure.axes[kinds.index(name)] for name in ("psf_width_error", "full_well_electrons"))
    (line,) = (container.lines[0] for container in width.containers)
    assert line.get_xdata().tolist() == [-50, 0, 50]
    assert line.get_ydata().tolist() == [10, 10, 10]
    assert noise.get_xscale() == "log"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["cnn"]
