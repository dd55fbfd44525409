"""Tables of scores, compared with sums over their own rows and with scenes of known scores."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from predicted import arrays_of, make_predictions

from foci3d.config.tasks import TaskSpec
from foci3d.errors import InputError
from foci3d.evaluation import scores
from foci3d.evaluation.roc import trace_roc
from foci3d.io.predictions import Predictions
from foci3d.io.samples import Outputs

SAMPLES, LAYERS, PIXELS = 12, 4, 16
COLUMNS = ["network", "dataset", "task", "metric", "layer", "value", "ci_low", "ci_high", "baseline", "n"]


def masks_test(**changes: np.ndarray) -> Predictions:
    rng = np.random.default_rng(1)
    target = (rng.random((SAMPLES, LAYERS, PIXELS, PIXELS)) < [[[0.3]], [[0.4]], [[0.6]], [[0.2]]]).astype(np.uint8)
    target[0, 1] = 0
    output = np.clip(0.4 * target + 0.7 * rng.random(target.shape), 0, 1).astype(np.float32)
    depths_um = np.sort(rng.uniform(0, 1000, (SAMPLES, LAYERS)), 1)
    return make_predictions("masks", **{"output": output, "target": target, "depths_um": depths_um, **changes})


def scored(test: Predictions) -> tuple[pd.DataFrame, pd.DataFrame]:
    return scores.score(test, max_depth_um=1000.0, n_bootstrap=200, seed=0)


def cell(summary: pd.DataFrame, metric: str, layer: str = "all") -> pd.Series:
    rows = summary[(summary["metric"] == metric) & (summary["layer"] == layer)]
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.fixture(scope="module")
def masks() -> tuple[Predictions, pd.DataFrame, pd.DataFrame]:
    test = masks_test()
    return test, *scored(test)


def test_masks_have_a_row_for_each_sample_and_layer(masks):
    test, samples, _ = masks
    assert samples["sample"].tolist() == np.repeat(range(SAMPLES), LAYERS).tolist()
    assert samples["layer"].tolist() == [1, 2, 3, 4] * SAMPLES
    assert samples["depth_um"].tolist() == arrays_of(test)["depths_um"].ravel().tolist()


def test_undefined_values_are_blank_and_not_counted(masks):
    _, samples, summary = masks
    row = samples[(samples["sample"] == 0) & (samples["layer"] == 2)].iloc[0]
    assert row[["sensitivity", "balanced_accuracy", "auc"]].isna().all()
    assert row[["error", "specificity", "dice"]].notna().all()
    assert cell(summary, "sensitivity", "2")["n"] == SAMPLES - 1
    assert cell(summary, "sensitivity")["n"] == SAMPLES * LAYERS - 1
    assert cell(summary, "error", "2")["n"] == SAMPLES


@pytest.mark.parametrize("layer", range(1, LAYERS + 1))
def test_error_of_a_layer_is_the_mean_over_samples_beside_that_of_the_majority(masks, layer):
    _, samples, summary = masks
    rows = samples[samples["layer"] == layer]
    error = cell(summary, "error", str(layer))
    assert error["value"] == pytest.approx(rows["error"].mean())
    coverage = rows["empty_error"].mean()
    assert error["baseline"] == pytest.approx(min(coverage, 1 - coverage))
    assert cell(summary, "empty_error", str(layer))["value"] == pytest.approx(coverage)
    assert error["ci_low"] < error["value"] < error["ci_high"]


def test_ratios_of_a_layer_are_pooled_over_pixels(masks):
    test, _, summary = masks
    for layer in range(LAYERS):
        target = arrays_of(test)["target"][:, layer].ravel()
        probabilities = arrays_of(test)["output"][:, layer].ravel()
        predicted = probabilities > 0.5
        expected = {
            "sensitivity": sklearn.metrics.recall_score(target, predicted),
            "specificity": sklearn.metrics.recall_score(1 - target, ~predicted),
            "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(target, predicted),
            "dice": sklearn.metrics.f1_score(target, predicted),
        }
        for metric, value in expected.items():
            assert cell(summary, metric, str(layer + 1))["value"] == pytest.approx(value)
        area = sklearn.metrics.roc_auc_score(target, probabilities)
        assert cell(summary, "auc", str(layer + 1))["value"] == pytest.approx(area, abs=1e-4)


def test_all_is_the_mean_of_the_layers(masks):
    _, _, summary = masks
    for metric, rows in summary.groupby("metric"):
        layers = rows[rows["layer"] != "all"]
        assert cell(summary, metric)["value"] == pytest.approx(layers["value"].mean())
    errors = summary[(summary["metric"] == "error") & (summary["layer"] != "all")]
    assert cell(summary, "error")["baseline"] == pytest.approx(errors["baseline"].mean())


def test_summary_is_tidy(masks):
    _, _, summary = masks
    assert summary.columns.tolist() == COLUMNS
    assert not summary.duplicated(["metric", "layer"]).any()
    assert set(summary["network"] + summary["dataset"] + summary["task"]) == {"some_networksome_datasetmasks"}


@pytest.fixture(scope="module")
def stacks() -> tuple[Predictions, pd.DataFrame, pd.DataFrame]:
    """Masks with depths whose errors are normal, with the standard deviation of 30 um that is predicted."""
    test, rng = masks_test(), np.random.default_rng(2)
    arrays = {name: np.repeat(values, 40, 0) for name, values in arrays_of(test).items()}
    depths_um = arrays["depths_um"]
    arrays |= {
        "predicted_depths_um": depths_um + 30 * rng.standard_normal(depths_um.shape),
        "predicted_depth_sds_um": np.full(depths_um.shape, 30.0),
        "occupancy": np.full(depths_um.shape, 0.9),
    }
    stacked = make_predictions("stacks", **arrays)
    return stacked, *scored(stacked)


def test_stacks_are_scored_as_masks_too(stacks):
    test, _, summary = stacks
    _, expected = scored(make_predictions("masks", **arrays_of(test)))
    rows = summary[summary["metric"].isin(expected["metric"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows.drop(columns="task"), expected.drop(columns="task"))


def test_depth_errors_of_occupied_layers(stacks):
    test, samples, summary = stacks
    is_occupied = (arrays_of(test)["target"] > 0).any((-2, -1))
    error_um = np.abs(arrays_of(test)["predicted_depths_um"] - arrays_of(test)["depths_um"])
    assert not is_occupied.all()
    for layer in range(LAYERS):
        row = cell(summary, "depth_error_um", str(layer + 1))
        assert row["value"] == pytest.approx(error_um[is_occupied[:, layer], layer].mean())
        assert row["n"] == is_occupied[:, layer].sum()
        depths_um = arrays_of(test)["depths_um"][is_occupied[:, layer], layer]
        assert row["baseline"] == pytest.approx(np.abs(depths_um - depths_um.mean()).mean())
    assert samples["depth_error_um"].notna().sum() == is_occupied.sum()


def test_coverage_of_intervals_of_normal_errors(stacks):
    _, _, summary = stacks
    assert cell(summary, "depth_coverage_68")["value"] == pytest.approx(0.68, abs=0.05)
    assert cell(summary, "depth_coverage_95")["value"] == pytest.approx(0.95, abs=0.03)


def test_occupancy_error_is_the_share_of_layers_on_the_wrong_side(stacks):
    test, _, summary = stacks
    is_occupied = (arrays_of(test)["target"] > 0).any((-2, -1))
    assert cell(summary, "occupancy_error")["value"] == pytest.approx(1 - is_occupied.mean())


def counted_test() -> Predictions:
    """Samples of two layers, one and none, for a network of up to three; one depth and one number are wrong."""
    target = np.zeros((4, 3, PIXELS, PIXELS), np.uint8)
    target[:2, 0, :4], target[:2, 1, 8:], target[2, 0, 4:8] = 1, 1, 1
    informed = target.astype(np.float32)
    informed[0, 0, 4:6] = 1  # 32 of 256 pixels are wrong
    output, numbers = informed.copy(), [2, 3, 1, 1]
    output[1, 2] = output[3, 0] = 1  # two phantoms
    depths_um = np.array([[200.0, 600.0], [200.0, 800.0], [400.0, 999.0], [500.0, 999.0]])
    there_um = np.where(target.any((2, 3)), np.pad(depths_um, ((0, 0), (0, 1))), np.nan)
    found_um = there_um.copy()
    found_um[0, 1], found_um[1, 2], found_um[3, 0] = 750, 900, 500  # the first of these is a missed layer and a phantom
    sds_um = np.where(np.isnan(there_um), np.nan, 30.0)
    informed_um = there_um + np.array([[10, 50, 0], [0, 0, 0], [20, 0, 0], [0, 0, 0]])
    found = {"output": output, "predicted_depths_um": found_um, "count_probabilities": np.eye(4)[numbers]}
    given_number = Outputs(output=informed, predicted_depths_um=informed_um, predicted_depth_sds_um=sds_um)
    return make_predictions("counted_stacks", target=target, depths_um=depths_um, informed=given_number, **found)


def test_counted_stacks_are_scored_by_their_number_of_layers():
    samples, summary = scored(counted_test())
    assert samples[["n_layers", "predicted_layers"]].to_numpy().tolist() == [[2, 2], [2, 3], [1, 1], [0, 1]]
    names = ["2 layers", "1 layers", "0 layers", "all"]
    expected = {
        "error": [32 / 256 / 4, 0, np.nan, 32 / 256 / 6],
        "depth_error_um": [15, 20, np.nan, 50 / 3],
        "depth_coverage_68": [0.75, 1, np.nan, 2.5 / 3],
        "count_exact": [0.5, 1, 0, 0.5],
        "count_within_one": [1, 1, 1, 1],
        "missed_layers": [0.5, 0, 0, 0.25],
        "phantom_layers": [1, 0, 1, 0.75],
    }
    for metric, values in expected.items():
        assert [cell(summary, metric, name)["value"] for name in names] == pytest.approx(values, nan_ok=True)
    assert cell(summary, "depth_error_um", "2 layers")["baseline"] == pytest.approx(50)
    assert cell(summary, "error", "2 layers")["baseline"] == pytest.approx((0.25 + 0.5) / 2)
    assert cell(summary, "error")["n"] == 3


def moving_test() -> Predictions:
    """Three sequences; the left half of the cluster is detected, and all of it in the next layer as well."""
    sequences, steps = np.divmod(np.arange(3 * LAYERS), LAYERS)
    cluster = np.zeros((3 * LAYERS, PIXELS, PIXELS), np.uint8)
    cluster[:, 2:8, 4:12] = 1
    target = np.zeros((3 * LAYERS, LAYERS, PIXELS, PIXELS), np.uint8)
    output = np.full(target.shape, 0.1, np.float32)
    for sample, step in enumerate(steps):
        target[sample, step, 2:8, 4:12] = 1
        output[sample, step, 2:8, 4:8] = 0.9
        if step + 1 < LAYERS:
            output[sample, step + 1, 2:8, 4:12] = 0.9
    target[:, 0, 2, 4] = 1  # another cell inside the footprint, which does not count for the specificity of layer 1
    return masks_test(output=output, target=target, cluster=cluster, sequence=sequences, step=steps)


def test_moving_cluster_is_scored_inside_its_footprint():
    samples, summary = scored(moving_test())
    assert cell(summary, "cluster_sensitivity")["value"] == pytest.approx(0.5)
    assert cell(summary, "cluster_specificity", "1")["value"] == 1
    assert cell(summary, "cluster_specificity", "3")["value"] == pytest.approx(2 / 3)
    assert cell(summary, "bleed_through", "1")["value"] == 0
    assert cell(summary, "bleed_through", "3")["value"] == pytest.approx(0.5)
    assert cell(summary, "bleed_through", "4")["value"] == 1
    assert {"sequence", "step"} <= set(samples.columns)
    for row in samples.itertuples():
        assert np.isnan(row.cluster_sensitivity) == (row.layer - 1 != row.step)
        assert np.isnan(row.cluster_specificity) == (row.layer - 1 == row.step)
        assert np.isnan(row.bleed_through) == (abs(row.layer - 1 - row.step) != 1)


def test_intervals_of_moving_clusters_resample_sequences():
    """Copies of a sample within a sequence do not narrow the interval."""
    rng = np.random.default_rng(5)
    target = (rng.random((6, LAYERS, PIXELS, PIXELS)) < 0.3).astype(np.uint8)
    wrong = rng.random(target.shape) < rng.uniform(0, 0.4, (6, 1, 1, 1))
    output = np.where(wrong, 1 - target, target).astype(np.float32)
    depths_um = np.zeros((6, LAYERS))
    single = masks_test(output=output, target=target, depths_um=depths_um)
    copied = {name: np.repeat(values, 4, 0) for name, values in arrays_of(single).items()}
    _, alone = scored(single)
    _, repeated = scored(masks_test(**copied, sequence=np.repeat(np.arange(6), 4)))
    for column in ("value", "ci_low", "ci_high"):
        np.testing.assert_allclose(repeated[column], alone[column])


def test_depth_classes_have_known_scores():
    classes_um = np.arange(50.0, 1951, 100)
    target = np.array([0, 5, 10, 19])
    output = np.full((4, 20), 0.01, np.float32)
    for sample, (predicted, probability) in enumerate([(0, 0.81), (6, 0.6), (13, 0.5), (19, 0.81)]):
        output[sample, predicted] = probability
    samples, summary = scored(make_predictions("depth_class", output=output, target=target, classes_um=classes_um))
    assert samples["depth_um"].tolist() == [50, 550, 1050, 1950]
    assert samples["predicted_um"].tolist() == [50, 650, 1350, 1950]
    assert samples["exact"].tolist() == [1, 0, 0, 1]
    assert samples["within_one"].tolist() == [1, 1, 0, 1]
    assert samples["error_um"].tolist() == [0, 100, 300, 0]
    assert samples["loss"].tolist() == pytest.approx(-np.log([0.81, 0.01, 0.01, 0.81]), rel=1e-5)
    assert cell(summary, "exact")[["value", "baseline", "n"]].tolist() == [0.5, 0.05, 4]
    assert cell(summary, "within_one")["value"] == 0.75
    assert cell(summary, "mean_error_um")["value"] == 100
    largest = cell(summary, "largest_error_um")
    assert largest["value"] == 300
    assert largest[["ci_low", "ci_high"]].isna().all()


def test_impossible_prediction_has_a_finite_loss():
    output, target = np.array([[1.0, 0.0]], np.float32), np.array([1])
    samples, _ = scored(
        make_predictions("depth_class", output=output, target=target, classes_um=np.array([50.0, 150.0]))
    )
    assert 80 < samples["loss"].item() < 100


def test_deblurred_images_are_scored_beside_the_measurement():
    rng = np.random.default_rng(2)
    target = rng.lognormal(size=(5, 1, PIXELS, PIXELS)).astype(np.float32)
    output, measurements = target + 0.1, np.repeat(target + 0.3, 2, 1)
    depths_um = np.array([[0.0], [199.0], [200.0], [650.0], [999.0]])
    test = make_predictions("deblurring", output=output, target=target, measurements=measurements, depths_um=depths_um)
    samples, summary = scored(test)
    value_range = np.ptp(target[:, 0].astype(float), (1, 2))
    assert samples["depth_um"].tolist() == [0, 199, 200, 650, 999]
    np.testing.assert_allclose(samples["error"], 0.1 / value_range, rtol=1e-5)
    np.testing.assert_allclose(samples["identity_error"], 0.3 / value_range, rtol=1e-5)
    np.testing.assert_allclose(samples["identity_least_square_error"], 9 * samples["least_square_error"], rtol=1e-4)
    error = cell(summary, "error")
    assert error["value"] == pytest.approx(samples["error"].mean())
    assert error["baseline"] == pytest.approx(samples["identity_error"].mean())
    near = cell(summary, "error", "0-200 um")
    assert near["value"] == pytest.approx(samples["error"][:2].mean())
    assert near["baseline"] == pytest.approx(samples["identity_error"][:2].mean())
    assert near["n"] == 2
    bins = ["0-200 um", "200-400 um", "600-800 um", "800-1000 um", "all"]
    assert summary[summary["metric"] == "ssim"]["layer"].tolist() == bins
    signal = cell(summary, "psnr_db")
    assert signal["value"] - signal["baseline"] == pytest.approx(20 * np.log10(3), rel=1e-4)
    assert cell(summary, "ssim")["value"] > cell(summary, "ssim")["baseline"]


def test_depth_maps_are_scored_over_all_pixels_and_on_cells():
    target = np.zeros((2, 1, 4, 4))
    target[0, 0, :2] = 200.0
    output = np.full_like(target, 100.0)
    output[1] = 0
    depths_um = np.array([[200.0, 900.0], [100.0, 700.0]])
    samples, summary = scored(make_predictions("depth_map", output=output, target=target, depths_um=depths_um))
    assert samples["error"].tolist() == pytest.approx([0.1, 0])
    assert samples["error_sd"].tolist() == pytest.approx([0, 0])
    assert samples["cell_error"].tolist() == pytest.approx([0.1, np.nan], nan_ok=True)
    assert samples["empty_error"].tolist() == pytest.approx([0.1, 0])
    assert samples[["near_depth_um", "far_depth_um"]].to_numpy().tolist() == [[200, 900], [100, 700]]
    assert cell(summary, "error")[["value", "baseline"]].tolist() == pytest.approx([0.05, 0.05])
    assert cell(summary, "error_sd")["value"] == pytest.approx(np.repeat([0.1, 0], 16).std())
    assert cell(summary, "cell_error")["n"] == 1


def test_scores_follow_their_seed(masks):
    test, _, summary = masks
    pd.testing.assert_frame_equal(scored(test)[1], summary)
    other = scores.score(test, max_depth_um=1000.0, n_bootstrap=200, seed=1)[1]
    assert (other["value"] == summary["value"]).all()
    assert (other["ci_low"] != summary["ci_low"]).any()


def test_task_without_a_scorer_is_scored_by_the_errors_of_its_samples():
    errors = np.array([0.1, 0.2, 0.6])
    samples, summary = scored(
        make_predictions("counting", output=np.zeros((3, 1)), target=np.ones((3, 1)), error=errors)
    )
    assert samples.to_dict("list") == {"sample": [0, 1, 2], "error": errors.tolist()}
    (row,) = summary.to_dict("records")
    assert row["task"] == "counting"
    assert row["metric"] == "error"
    assert row["value"] == pytest.approx(0.3)
    assert 0.1 <= row["ci_low"] < row["ci_high"] <= 0.6
    assert row["n"] == 3
    with pytest.raises(InputError, match="some_network on some_dataset: task counting has no registered scorer"):
        scored(make_predictions("counting", output=np.zeros((3, 1)), target=np.ones((3, 1))))


@pytest.mark.usefixtures("plugged_in")
def test_registered_scorer_is_used():

    @scores.scorer(TaskSpec(name="counting", meaning="number of cells", axes="sample"))
    def score_counts(test, weights, max_depth_um):
        samples = pd.DataFrame(
            {"sample": range(3), "count_error": abs(arrays_of(test)["output"] - arrays_of(test)["target"])}
        )
        return samples, scores.mean_rows(samples, weights, {"count_error": 5.0})

    test = make_predictions("counting", output=np.array([4.0, 6, 5]), target=np.array([3.0, 3, 3]))
    row = cell(scored(test)[1], "count_error")
    assert row[["value", "baseline", "n"]].tolist() == [2, 5, 3]


def test_roc_has_a_curve_for_each_layer_and_their_mean(masks):
    test, _, summary = masks
    curves = trace_roc(test)
    assert curves.columns.tolist() == ["layer", "threshold", "false_positive_rate", "true_positive_rate", "auc"]
    assert curves["layer"].unique().tolist() == ["1", "2", "3", "4", "mean"]
    for layer, curve in curves.groupby("layer"):
        rates = curve[["false_positive_rate", "true_positive_rate"]]
        assert rates.iloc[-1].tolist() == [1, 1]
        assert (np.diff(rates, axis=0) >= 0).all()
        summarized = cell(summary, "auc", layer.replace("mean", "all"))["value"]
        assert curve["auc"].unique() == pytest.approx([summarized])
        assert np.trapezoid(*rates.to_numpy().T[::-1]) == pytest.approx(summarized, abs=2e-3)
    assert curves.loc[curves["layer"] == "mean", "threshold"].isna().all()


def test_roc_passes_through_the_rates_at_one_half(masks):
    test, _, summary = masks
    curves = trace_roc(test)
    for layer in ("1", "4"):
        at_half = curves[(curves["layer"] == layer) & np.isclose(curves["threshold"], 0.5)].iloc[0]
        assert at_half["true_positive_rate"] == pytest.approx(cell(summary, "sensitivity", layer)["value"])
        assert 1 - at_half["false_positive_rate"] == pytest.approx(cell(summary, "specificity", layer)["value"])


@pytest.mark.parametrize("task", ["depth_class", "deblurring", "depth_map"])
def test_roc_of_another_task_is_refused(task):
    with pytest.raises(InputError, match=f"some_network on some_dataset: task {task} has no ROC curve; .* choose"):
        trace_roc(make_predictions(task))


def test_predictions_survive_the_round_trip(tmp_path):
    test = replace(moving_test(), attributes={"parameters": 12, "weights": "abc"})
    test.save(tmp_path / "predictions.h5")
    again = Predictions.load(tmp_path / "predictions.h5")
    assert (again.network, again.dataset, again.task) == ("some_network", "some_dataset", "masks")
    assert again.attributes == {"parameters": 12, "weights": "abc"}
    assert arrays_of(again).keys() == arrays_of(test).keys()
    for name, values in arrays_of(test).items():
        np.testing.assert_array_equal(arrays_of(again)[name], values)
