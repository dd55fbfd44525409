"""What a model predicts for one measurement: at once, or by the tiles of a larger field."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from foci3d.confidence.quality import score_tiles
from foci3d.confidence.reliability import expected_error
from foci3d.io.samples import NumpyOutputs, Outputs
from foci3d.learning.layer_counts import choose_layers, joint_probabilities
from foci3d.learning.model import Model
from foci3d.reconstruction.tiles import Tiling, has_light_beyond, predict_field, spread

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Prediction:
    """What a model predicts for a measurement, and how its tiles compare with validation samples.

    Parameters
    ----------
    outputs : Outputs
        Not recalibrated and without the axis of samples, for the most probable number of layers: images (L, Y, X) and
        values (L,), or maps of them (L, Y, X) of a field of tiles.
    scores : ndarray (K, 3) or None
        `foci3d.confidence.quality.score_tiles` of its tiles, if available.
    corners : ndarray (K, 2)
        First pixel of each tile in y and x, beyond the field where that is continued.
    """

    outputs: NumpyOutputs
    scores: Floats | None
    corners: npt.NDArray[np.integer]

    def find_unlike(self, model: Model) -> npt.NDArray[np.bool_]:
        """Pixels `(Y, X)` in tiles that are out-of-distribution."""
        unlike, size = np.zeros(self.outputs.output.shape[1:], bool), model.description.n_pixels
        if self.scores is not None and model.usable_recalibration:
            threshold = model.usable_recalibration.reference_of(tiles=len(self.scores) > 1).threshold
            for y, x in self.corners[self.scores.max(1) > threshold]:
                unlike[max(0, y) : y + size, max(0, x) : x + size] = True
        return unlike

    def tiles(self, model: Model, probability: Floats) -> Floats:
        """The tiles of a larger field as `foci3d.reconstruction.volume.Reconstruction` has them.

        The recalibrated `probability (L, Y, X)` gives the error that is expected in each.
        """
        if self.scores is None or len(self.scores) == 1:
            return np.zeros((0, 5))
        size = model.description.n_pixels
        errors = [
            expected_error(probability[:, max(0, y) : y + size, max(0, x) : x + size]) for y, x in self.corners.tolist()
        ]
        return np.column_stack([self.corners, np.full(len(errors), size), self.scores.max(1), errors])


def predict_measurement(measurement: npt.NDArray[Any], model: Model, n_layers: int | None = None) -> Prediction:
    """Predict for a measurement `(S, Y, X)`, with a number of layers that is given, or the most probable one."""
    n_pixels, extents, scores = model.description.n_pixels, measurement.shape[1:], []
    is_field = extents != (n_pixels, n_pixels)

    def predict(tiles: npt.NDArray[Any]) -> NumpyOutputs:
        # A network divides by the mean of a tile. In a field, one without light is replaced by even light.
        is_dark = is_field & (tiles.mean((1, 2, 3)) <= 0)
        tiles = np.where(is_dark[:, None, None, None], 1, tiles)
        raw = model.predict_all(tiles)
        if raw.count_probabilities is not None:
            raw = replace(raw, count_probabilities=_count_layers(model, raw.count_probabilities, n_layers))
        found = score_tiles(model, tiles, model.select(raw), of_field=is_field)
        scores.append(found if found is None else np.where(is_dark[:, None], 0, found))
        return _empty(raw, is_dark)

    if not is_field:
        outputs, corners = model.select(predict(measurement[None]))[0], np.zeros((1, 2), int)
    else:
        edge = n_pixels // 6
        n_mirrored, tiling = edge if has_light_beyond(measurement) else 0, Tiling(n_pixels, cut=edge, ramp=edge)
        output, values = predict_field(predict, measurement, tiling, n_mirrored)
        output, values, counts = _choose_number(output, values)
        maps = {name: spread(each, extents, tiling, n_mirrored) for name, each in values.items()}
        outputs = Outputs(output=output, count_probabilities=counts, **maps)
        corners = tiling.corners(tuple(extent + 2 * n_mirrored for extent in extents)) - n_mirrored
    found = [each for each in scores if each is not None]
    return Prediction(outputs, np.concatenate(found) if found else None, corners)


def _empty(outputs: NumpyOutputs, is_dark: npt.NDArray[np.bool_]) -> NumpyOutputs:
    """Outputs of tiles, without cells in those that are dark `(N,)`; these do not count for the number of layers."""
    changed = {"output": np.where(is_dark[:, None, None, None], 0, outputs.output)}
    if outputs.count_probabilities is not None:
        even = np.full_like(outputs.count_probabilities, 1 / outputs.count_probabilities.shape[1])
        changed["count_probabilities"] = np.where(is_dark[:, None], even, outputs.count_probabilities)
    return replace(outputs, **changed)


def _count_layers(model: Model, probabilities: Floats, n_layers: int | None) -> Floats:
    """Recalibrated `probabilities (N, L + 1)` of the numbers of layers, or 1 for a number that is given."""
    if n_layers is not None:
        return np.asarray(np.arange(probabilities.shape[1]) == n_layers) * np.ones_like(probabilities)
    fitted = model.usable_recalibration
    return fitted.counts(probabilities) if fitted else probabilities


def _choose_number(output: Floats, values: dict[str, Any]) -> tuple[Any, dict[str, Any], Floats | None]:
    """Images `(L, Y, X)`, values `(K, L)` of the tiles and probabilities of the numbers of layers of a field.

    Of a model that predicts the number, they are chosen from those of all heads, before values become maps: these would
    fill the memory.
    """
    others = {name: each for name, each in values.items() if name != "count_probabilities"}
    if len(others) == len(values):
        return output, values, None
    counts = joint_probabilities(values["count_probabilities"])
    numbers = np.full(len(values["count_probabilities"]), counts.argmax())
    chosen = {name: choose_layers(each, numbers, np.nan) for name, each in others.items()}
    return choose_layers(output[None], numbers[:1], 0.0)[0], chosen, counts
