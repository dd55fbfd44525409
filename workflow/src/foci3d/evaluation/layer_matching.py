"""Layers that are found matched to those that there are, where their number is not known."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from foci3d.evaluation.metrics import BoolArray, Confusion, FloatArray

MAX_DISTANCE_UM = 100.0
"""Distance in depth up to which two layers can be the same [um]: the least between layers in training."""

MIN_DICE = 0.5
"""Dice coefficient from which two layers can be the same."""


def match_layers(
    found: BoolArray, found_depths_um: FloatArray, target: BoolArray, depths_um: FloatArray
) -> npt.NDArray[np.int64]:
    """Match layers that are found to true ones.

    Two layers can match if they are at most `MAX_DISTANCE_UM` apart and have a Dice coefficient of `MIN_DICE` or more;
    of all matches, those with the largest sum of Dice coefficients are taken.

    Parameters
    ----------
    found, target : ndarray (F, Y, X), (L, Y, X)
        Masks that are found, and true ones.
    found_depths_um, depths_um : ndarray (F,), (L,)
        Their depths [um].

    Returns
    -------
    ndarray (M, 2)
        Numbers of the layers of each match, found and true.

    Examples
    --------
    >>> masks = np.eye(3, dtype=bool)[:, None]
    >>> match_layers(masks[1:], np.array([380.0, 900.0]), masks, np.array([200.0, 400.0, 600.0])).tolist()
    [[0, 1]]
    """
    dice = Confusion.from_masks(found[:, None], target[None]).dice
    can_match = (np.abs(found_depths_um[:, None] - depths_um) <= MAX_DISTANCE_UM) & (dice >= MIN_DICE)
    pairs = np.stack(linear_sum_assignment(np.where(can_match, dice, 0.0), maximize=True), -1)
    return np.asarray(pairs[can_match[pairs[:, 0], pairs[:, 1]]])


def mask_error(found: BoolArray, target: BoolArray) -> float:
    """Share of misclassified pixels where the number of layers may differ.

    Layers of another number are assigned for the fewest; the cells of those that are left are missed, or phantoms.

    Parameters
    ----------
    found, target : ndarray (F, Y, X), (L, Y, X)
        Masks that are found, and true ones.

    Returns
    -------
    float
        Misclassified pixels over those of the true layers, or of one if there is none.

    Examples
    --------
    >>> masks = np.eye(4, dtype=bool)[:, None]
    >>> mask_error(masks[[2]], masks[1:3])
    0.125
    """
    n_pixels = found.shape[1] * found.shape[2]
    overlap = found.reshape(len(found), n_pixels).astype(float) @ target.reshape(len(target), n_pixels).T
    pairs = linear_sum_assignment(overlap, maximize=True) if len(found) != len(target) else np.diag_indices(len(found))
    n_wrong = found.sum() + target.sum() - 2 * overlap[pairs].sum()
    return float(n_wrong / (max(1, len(target)) * n_pixels))


def count_mismatches(
    found: BoolArray, found_depths_um: FloatArray, target: BoolArray, depths_um: FloatArray
) -> npt.NDArray[np.int64]:
    """Number of missed layers and of phantom layers, which match no true one, of each sample `(N, 2)`.

    Masks `(N, L, Y, X)` and depths `(N, L)` [um] as for `match_layers`; depths are NaN of layers that are not there.
    """
    counts = []
    for masks, masks_um, truth, truth_um in zip(found, found_depths_um, target, depths_um, strict=True):
        here, there = ~np.isnan(masks_um), ~np.isnan(truth_um)
        n_matches = len(match_layers(masks[here], masks_um[here], truth[there], truth_um[there]))
        counts.append((there.sum() - n_matches, here.sum() - n_matches))
    return np.array(counts)
