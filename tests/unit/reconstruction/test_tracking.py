"""Tracking: known motions are recovered, gates separate, and a simulated cluster is followed through the layers."""

import itertools

import numpy as np
import pandas as pd
import pytest

from foci3d.config.models import Config
from foci3d.errors import InputError
from foci3d.reconstruction import tracking
from foci3d.reconstruction.foci import find_foci
from foci3d.reconstruction.tracking import _assign, describe_tracks, join_foci, join_frames, track_foci
from foci3d.simulation.scene import draw_moving

GATES = {"max_lateral_um": 100.0, "max_depth_um": 300.0}
PITCH_UM = 55.0


def table(*rows: tuple[int, float, float, float]) -> pd.DataFrame:
    """Foci of rows (frame, x, y, depth)."""
    return pd.DataFrame(rows, columns=["frame", "x_um", "y_um", "depth_um"]).assign(layer=1)


def test_velocity_and_direction_of_uniform_motion() -> None:
    steps = [(frame, 500 + 30 * frame, 900 - 30 * frame, 100 + 42.5 * frame) for frame in range(5)]
    tracks = track_foci(table(*steps), **GATES)
    (row,) = describe_tracks(tracks, frame_interval_s=10.0).to_dict("records")
    speed = np.sqrt(30**2 + 30**2 + 42.5**2)
    assert row["speed_um_per_s"] == pytest.approx(speed / 10)
    assert row["azimuth_deg"] == pytest.approx(-45)
    assert row["elevation_deg"] == pytest.approx(np.degrees(np.arctan(42.5 / np.hypot(30, 30))))
    assert row["path_um"] == row["displacement_um"] == pytest.approx(4 * speed)
    assert describe_tracks(tracks)["speed_um_per_frame"].item() == pytest.approx(speed)


def test_crossing_foci_keep_their_depths() -> None:
    near = [(frame, 100 + 80 * frame, 300, 100) for frame in range(5)]
    far = [(frame, 420 - 80 * frame, 300, 700) for frame in range(5)]
    tracks = track_foci(table(*near, *far), **GATES)
    assert [sorted(set(depths)) for _, depths in tracks.groupby("track")["depth_um"]] == [[100], [700]]
    assert tracks.groupby("track").size().tolist() == [5, 5]


def test_a_link_beyond_the_gate_starts_a_new_track() -> None:
    assert track_foci(table((0, 0, 0, 0), (1, 99, 0, 0)), **GATES)["track"].tolist() == [1, 1]
    assert track_foci(table((0, 0, 0, 0), (1, 101, 0, 0)), **GATES)["track"].tolist() == [1, 2]
    assert track_foci(table((0, 0, 0, 0), (1, 0, 0, 299)), **GATES)["track"].tolist() == [1, 1]
    assert track_foci(table((0, 0, 0, 0), (1, 0, 0, 301)), **GATES)["track"].tolist() == [1, 2]


@pytest.mark.parametrize(("max_gap", "n_tracks"), [(0, 2), (1, 1)])
def test_a_missing_focus(max_gap: int, n_tracks: int) -> None:
    tracks = track_foci(table((0, 0, 0, 0), (2, 10, 0, 0)), **GATES, max_gap=max_gap)
    assert tracks["track"].max() == n_tracks
    if max_gap:
        assert describe_tracks(tracks)["speed_um_per_frame"].item() == pytest.approx(5)


def test_assignment_is_the_best_of_all_partial_assignments() -> None:
    rng = np.random.default_rng(3)
    for n_previous, n_current in ((3, 4), (4, 3), (4, 4)):
        previous, current = rng.random((n_previous, 3)) * 1.5, rng.random((n_current, 3)) * 1.5
        cost = ((previous[:, None] - current) ** 2).sum(-1)
        rows, columns = _assign(previous, current, np.zeros((n_previous, 3)), np.zeros((n_current, 3)))
        n_pairs = min(n_previous, n_current)
        found = cost[rows, columns].sum() + n_pairs - len(rows)
        best = min(
            sum(min(cost[row, column], 1) for row, column in zip(picked, order, strict=True))
            for picked in itertools.combinations(range(n_previous), n_pairs)
            for order in itertools.permutations(range(n_current), n_pairs)
        )
        assert found == pytest.approx(best)
        assert (cost[rows, columns] < 1).all()


def test_a_simulated_cluster_is_followed_through_the_layers(config: Config) -> None:
    dataset = config.datasets["moving"]
    scene = config.appearances["paper"].model_copy(
        update={"threshold": (0.999, 1.0)}
    )  # no cells but those of the cluster
    samples = draw_moving([np.random.default_rng(seed) for seed in range(3)], scene, dataset, 51)
    n_layers = dataset.n_layers
    for first in range(0, len(samples), n_layers):
        frames = [
            find_foci(mask.numpy().astype(float), 0.5, depths_um.tolist(), [0.0] * n_layers, PITCH_UM)
            for mask, depths_um in zip(
                samples.masks[first : first + n_layers], samples.depths_um[first : first + n_layers], strict=True
            )
        ]
        tracks = track_foci(join_frames(frames), max_lateral_um=PITCH_UM, max_depth_um=1000.0)
        assert tracks["track"].max() == 1
        assert tracks["layer"].tolist() == [1, 2, 3, 4]
        depths_um = samples.depths_um[first].numpy()
        (row,) = describe_tracks(tracks).to_dict("records")
        assert row["speed_um_per_frame"] == pytest.approx(np.polyfit(np.arange(4), depths_um, 1)[0], rel=1e-5)
        assert row["elevation_deg"] == pytest.approx(90, abs=1e-3)
        assert row["displacement_um"] == pytest.approx(depths_um[-1] - depths_um[0], rel=1e-5)


def test_a_single_focus_has_no_speed() -> None:
    summary = describe_tracks(track_foci(table((0, 1, 2, 3)), **GATES))
    assert summary["n_foci"].tolist() == [1]
    assert summary[["speed_um_per_frame", "azimuth_deg", "elevation_deg"]].isna().all(axis=None)


def test_no_foci_give_no_tracks() -> None:
    tracks = track_foci(table(), **GATES)
    assert len(tracks) == 0
    assert len(describe_tracks(tracks)) == 0


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("x_um", np.nan, "x_um of row 1 is nan; expected a number"),
        ("y_um", np.inf, "y_um of row 1 is inf"),
        ("depth_um", 1e300, "depth_um of row 1 is 1e.300; expected a number of at most 1e.09"),
        ("depth_um", "deep", "depth_um of row 1 is deep"),
        ("frame", "first", "frame of row 1 is first"),
        ("frame", 0.5, "frame 0.5 is no whole number"),
    ],
)
def test_values_that_are_no_numbers_are_refused(column: str, value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        track_foci(table((0, 1, 2, 3)).assign(**{column: value}), **GATES)


def test_many_foci_take_memory_for_those_within_the_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs of all pairs would take 3 GB."""
    positions = np.random.default_rng(0).uniform(0, 14000, (20000, 2))
    rows = [np.column_stack([np.full(20000, frame), positions + frame, np.zeros(20000)]) for frame in (0, 1)]
    tracks = track_foci(table(*np.concatenate(rows)), max_lateral_um=50, max_depth_um=50)
    assert (tracks.groupby("track").size() == 2).all()
    monkeypatch.setattr(tracking, "MAX_LINKS", 3)
    with pytest.raises(InputError, match=r"4 pairs of 2 and 2 foci are within the gates; expected at most 3"):
        track_foci(table((0, 0, 0, 0), (0, 1, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0)), **GATES)


def test_more_frames_than_a_series_has_are_refused() -> None:
    with pytest.raises(InputError, match="found over 10000 frames"):
        track_foci(table(*((frame, 0, 0, 0) for frame in range(10_001))), **GATES)


def test_a_missing_column_and_an_impossible_gate_are_errors() -> None:
    with pytest.raises(InputError, match="expected a column depth_um"):
        track_foci(table((0, 1, 2, 3)).drop(columns="depth_um"), **GATES)
    with pytest.raises(InputError, match="the gates are 0 um"):
        track_foci(table((0, 1, 2, 3)), max_lateral_um=0, max_depth_um=1)


def with_errors(foci: pd.DataFrame, lateral_um: float, depth_um: float) -> pd.DataFrame:
    return foci.assign(x_sd_um=lateral_um, y_sd_um=lateral_um, depth_sd_um=depth_um)


def test_errors_of_positions_widen_the_gates() -> None:
    far = table((0, 0, 0, 0), (1, 0, 0, 400))
    assert track_foci(with_errors(far, 1, 50), **GATES)["track"].tolist() == [1, 2]
    assert track_foci(with_errors(far, 1, 100), **GATES)["track"].tolist() == [1, 1]


def test_standard_errors_of_speeds_are_those_of_a_fitted_line() -> None:
    """Many tracks of cells that move or rest, with positions as uncertain as they are said to be."""
    rng = np.random.default_rng(0)
    n_tracks, times = 400, np.arange(6)
    velocity = np.array([20.0, 0.0, -40.0])
    rows = [
        (frame, *(1000.0 * cell * np.array([1, 0, 0]) + frame * velocity * (cell % 2) + rng.normal(0, (5, 5, 25))))
        for cell in range(n_tracks)
        for frame in times
    ]
    summary = describe_tracks(track_foci(with_errors(table(*rows), 5, 25), **GATES))
    assert len(summary) == n_tracks
    moving, resting = summary[1::2], summary[::2]
    assert 0.02 < (resting["p_static"] < 0.05).mean() < 0.08
    assert (moving["p_static"] < 0.05).mean() > 0.95
    deviations = (moving["speed_um_per_frame"] - np.hypot(20, 40)) / moving["speed_sd_um_per_frame"]
    assert 0.9 < (abs(deviations) < 1.96).mean() < 1


def test_two_positions_without_errors_have_a_speed_without_one() -> None:
    (row,) = describe_tracks(track_foci(table((0, 0, 0, 0), (1, 10, 0, 0)), **GATES)).to_dict("records")
    assert row["speed_um_per_frame"] == pytest.approx(10)
    assert np.isnan(row["speed_sd_um_per_frame"])
    assert np.isnan(row["p_static"])


def test_foci_of_a_cell_are_one_and_those_without_light_none() -> None:
    foci = table((0, 0, 0, 200), (0, 40, 0, 200), (0, 500, 0, 600), (1, 10, 0, 210)).assign(
        layer=[1, 2, 3, 1], cell=[1, 1, 0, 1], probability=[0.6, 0.9, 0.9, 0.8], area_um2=[5.0, 4.0, 1.0, 2.0]
    )
    joined = join_foci(foci)
    assert joined["layer"].tolist() == [2, 1]
    assert joined["x_um"].tolist() == pytest.approx([24, 10])
    assert joined["area_um2"].tolist() == [5, 2]
    assert track_foci(foci, **GATES)["track"].tolist() == [1, 1]
