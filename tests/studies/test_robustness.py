"""The table of errors on perturbed imagers."""

import pandas as pd

from foci3d.evaluation.robustness import robustness_page, robustness_table


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
