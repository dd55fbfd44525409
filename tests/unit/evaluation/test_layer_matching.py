"""Layers that are found and true ones: which match."""

import numpy as np
import pytest

from foci3d.evaluation.layer_matching import count_mismatches, mask_error, match_layers

STRIPES = np.eye(8, dtype=bool)[:, None]  # eight masks without overlap


@pytest.mark.parametrize(
    ("found_um", "overlap", "expected"), [(299.0, 1.0, 1), (301.0, 1.0, 0), (250.0, 0.6, 1), (250.0, 0.4, 0)]
)
def test_layers_match_within_a_distance_and_from_a_dice_coefficient(
    found_um: float, overlap: float, expected: int
) -> None:
    target, found = np.zeros((2, 1, 1, 100), bool)
    target[..., :10], found[..., round(10 * (1 - overlap)) :][..., :10] = True, True
    assert len(match_layers(found, np.array([found_um]), target, np.array([200.0]))) == expected


def test_of_several_possible_matches_the_best_are_taken() -> None:
    """Both found layers could be the second true one; in the order of their depths, each would have a worse match."""
    target = np.zeros((2, 1, 20), bool)
    target[0, :, :10], target[1, :, 4:14] = True, True
    found = target[[1, 0]]
    assert sorted(map(tuple, match_layers(found, np.array([210.0, 290.0]), target, np.array([200.0, 300.0])))) == [
        (0, 1),
        (1, 0),
    ]


def test_layers_that_are_not_there_do_not_count() -> None:
    depths_um = np.array([[100.0, 300.0, np.nan], [np.nan] * 3, [100.0, np.nan, np.nan]])
    found_um = np.array([[100.0, np.nan, np.nan], [500.0, 700.0, np.nan], [np.nan] * 3])
    masks = np.broadcast_to(STRIPES[:3], (3, 3, 1, 8))
    assert count_mismatches(masks, found_um, masks, depths_um).tolist() == [[1, 0], [0, 2], [1, 0]]


def test_mask_error_assigns_layers_of_another_number_for_the_fewest_wrong_pixels() -> None:
    rng = np.random.default_rng(0)
    target = rng.random((3, 8, 8)) > 0.6
    assert mask_error(target, target) == 0
    assert mask_error(target[::-1], target) > 0.2, "the order counts where the number is right"
    assert mask_error(target[[2, 0]], target) == target[1].mean() / 3
    assert mask_error(np.concatenate([target, ~target[:1]]), target) == (~target[0]).mean() / 3
    assert mask_error(target[:0], target) == target.mean()
    assert mask_error(target, target[:0]) == target.sum() / 64
