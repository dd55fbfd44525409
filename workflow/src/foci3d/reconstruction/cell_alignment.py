r"""Alignment of two sensors from acquisitions of a few single cells or beads that are smaller than a pixel.

Each sensor alone localizes the cells (`foci3d.classical.points`). The two localizations of a cell, at the lateral
places :math:`p_A, p_B` from the middle of the field, distances :math:`z_A, z_B` from the sensors and brightnesses
:math:`b_A, b_B`, fulfil

.. math:: p_B = R(p_A - s), \quad z_A + z_B = f S, \quad b_B = g \, b_A

with shift s, rotation R and gain g of sensor B, the described separation S, and the factor f on all distances. The
parameters are those of a robust least-squares fit to all cells of all acquisitions, weighted with the standard errors
of the localizations. A cell of some size looks like a point at the distance :math:`\sqrt{z^2 + v}`; v is fitted, too,
and must not differ from 0.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares, linear_sum_assignment

from foci3d.classical.points import PointLocalizer
from foci3d.errors import InputError
from foci3d.optics.points import BRIGHTNESS, DEPTH, PointOptics
from foci3d.optics.psf import PSF
from foci3d.reconstruction.cells import localize_field

Floats = npt.NDArray[np.float64]
Cells = tuple[Floats, Floats]
"""Cells that a sensor sees: y and x from the middle of the field [pixels], distance from the sensor [um] and logarithm
of the brightness, `(N, 4)`, and their standard errors."""

MIN_CELLS = 6
"""Cells that both sensors see, in all acquisitions together, at least."""

MAX_MISFIT = 3.0
"""Mean squared residual of an image, in units of the noise, up to which single cells explain it."""

MAX_SHIFT_PX, MAX_DISTANCE_RATIO, MAX_GAIN = 8.0, 1.3, 2.5
"""Deviations up to which two localizations may be those of one cell."""

GATES_PX = (3.0, 1.5, 1.0)
"""Distances within which localizations are paired, fit after fit; the first also of shifts that agree."""

ERROR_FLOORS = np.array([0.02, 0.02, 1.0, 0.01])
"""Least standard errors of the differences of a pair, in the order of the columns of `Cells`."""

MAX_SIZE_ERRORS = 4.0
"""Standard errors by which the size of the cells may differ from 0."""

DISTANCE_ERROR = 0.002
"""Relative error of distances by the point-spread function itself, beside that of the localizations."""

SIZE_UNIT_UM2 = 1e4  # so that the parameters of the fit are of about the same size

END_UM = 5.0
"""Distance from the ends of the point-spread function within which a depth is not known."""


def align_cells(
    measurements: Sequence[npt.NDArray[np.number]], psf: PSF, sensor_separation_um: float
) -> tuple[Floats, Floats]:
    """Gain, shift in y and x, rotation and factor on distances of sensor B, as `alignment.NAMES`, from single cells.

    Parameters
    ----------
    measurements : sequence of ndarray (2, Y, X)
        Acquisitions of one imager.
    psf : PSF
        Its point-spread function, for all distances from a sensor that cells have.
    sensor_separation_um : float
        Its separation as described [um].

    Returns
    -------
    ndarray (5,), ndarray (5,)
        Parameters and their standard errors.

    Raises
    ------
    InputError
        If single cells do not explain an image, or if there are too few of them.
    """
    localizer = PointLocalizer(PointOptics(psf))
    cells = [
        (_localize(image[:1], localizer, f"{number}, sensor A"), _localize(image[1:], localizer, f"{number}, sensor B"))
        for number, image in enumerate(measurements, 1)
    ]
    parameters = np.array([1.0, *_most_frequent_shift(cells, sensor_separation_um), 0.0, 1.0])
    for gate_px in GATES_PX:
        pairs = [_pair(a, b, parameters, sensor_separation_um, gate_px) for a, b in cells]
        seen_by_a, seen_by_b, pair_errors = (np.concatenate(each) for each in zip(*pairs, strict=True))
        if len(seen_by_a) < MIN_CELLS:
            raise InputError(
                f"acquisitions: found {len(seen_by_a)} cells that both sensors see; expected at least {MIN_CELLS} "
                "in all acquisitions together. Add acquisitions of a few single cells or beads each."
            )
        parameters, errors, size_um2, size_error_um2 = _fit(
            seen_by_a, seen_by_b, pair_errors, parameters, sensor_separation_um
        )
    if size_um2 > MAX_SIZE_ERRORS * size_error_um2:
        raise InputError(
            "acquisitions: the cells are too large: close to a sensor, they look like points that are farther away; "
            "expected cells or beads smaller than a pixel. Record smaller ones."
        )
    return parameters, np.hypot(errors, [0, 0, 0, 0, DISTANCE_ERROR])


def _localize(image: npt.NDArray[np.number], localizer: PointLocalizer, name: str) -> Cells:
    """Cells in an image `(1, Y, X)` that are within the field and within the depths of the point-spread function."""
    fit = localize_field(image, localizer)
    if fit.misfit > MAX_MISFIT:
        raise InputError(
            f"acquisition {name}: single cells leave {fit.misfit:.1f} x the noise; expected up to {MAX_MISFIT:g} x. "
            "Leave it out, or align with layers."
        )
    low, high = np.array([[0, 0], np.array(image.shape[1:]) - 1])
    low_um, high_um = localizer.optics.depth_range_um
    places, depths_um = fit.points[:, :2], fit.points[:, DEPTH]
    inside = ((places >= low) & (places <= high)).all(1)
    inside &= (depths_um > low_um + END_UM) & (depths_um < high_um - END_UM)
    points, errors = fit.points[inside], fit.standard_errors[inside]
    brightness = points[:, BRIGHTNESS]
    values = np.column_stack([points[:, :2] - (low + high) / 2, points[:, DEPTH], np.log(brightness)])
    return values, np.column_stack([errors[:, :2], errors[:, DEPTH], errors[:, BRIGHTNESS] / brightness])


def _are_possible(a: Floats, b: Floats, sensor_separation_um: float) -> npt.NDArray[np.bool_]:
    """Whether cells `a (N, 4)` and `b (M, 4)` may be the same by distances and brightness, `(N, M)`."""
    distance = np.log((a[:, None, 2] + b[:, 2]) / sensor_separation_um)
    return (abs(distance) < np.log(MAX_DISTANCE_RATIO)) & (abs(a[:, None, 3] - b[:, 3]) < np.log(MAX_GAIN))


def _most_frequent_shift(cells: Sequence[tuple[Cells, Cells]], sensor_separation_um: float) -> Floats:
    """Shift `(2,)` that most pairs of localizations within reach agree on [pixels]."""
    found = [np.zeros((0, 2))]
    for (a, _), (b, _) in cells:
        shifts = a[:, None, :2] - b[:, :2]
        is_near = (np.hypot(*np.moveaxis(shifts, -1, 0)) < MAX_SHIFT_PX) & _are_possible(a, b, sensor_separation_um)
        found.append(shifts[is_near])
    shifts = np.concatenate(found)
    if not len(shifts):
        return np.zeros(2)
    agree = np.hypot(*np.moveaxis(shifts[:, None] - shifts, -1, 0)) < GATES_PX[0] / 2
    return np.median(shifts[agree[agree.sum(1).argmax()]], 0)


def _predict_places(a: Floats, parameters: Floats) -> Floats:
    """Places `(N, 2)` of cells `a (N, 4)` on sensor B, see `ImagerCorrection`."""
    angle = np.radians(parameters[3])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (a[:, :2] - parameters[1:3]) @ rotation.T


def _pair(
    cells_a: Cells, cells_b: Cells, parameters: Floats, sensor_separation_um: float, gate_px: float
) -> tuple[Floats, Floats, Floats]:
    """Values of the cells that both sensors see, `(K, 4)` of A and of B, and standard errors of their differences."""
    (a, errors_a), (b, errors_b) = cells_a, cells_b
    distances = np.hypot(*np.moveaxis(_predict_places(a, parameters)[:, None] - b[:, :2], -1, 0))
    costs = np.where(_are_possible(a, b, sensor_separation_um), distances, gate_px).clip(max=gate_px)
    rows, columns = linear_sum_assignment(costs)
    rows, columns = (each[costs[rows, columns] < gate_px] for each in (rows, columns))
    return a[rows], b[columns], np.maximum(np.hypot(errors_a[rows], errors_b[columns]), ERROR_FLOORS)


def _fit(
    a: Floats, b: Floats, pair_errors: Floats, first: Floats, sensor_separation_um: float
) -> tuple[Floats, Floats, float, float]:
    """Parameters of pairs `(K, 4)` with standard errors, larger where pairs scatter more than their own errors say.

    Then the size of the cells, as v above [um^2], and its standard error.
    """

    def deviations(parameters: Floats) -> Floats:
        lateral = b[:, :2] - _predict_places(a, parameters)
        distances = np.sqrt(np.maximum(np.stack([a[:, 2], b[:, 2]]) ** 2 - parameters[5] * SIZE_UNIT_UM2, 1.0)).sum(0)
        depth = distances - parameters[4] * sensor_separation_um
        gain = b[:, 3] - a[:, 3] - np.log(parameters[0])
        return np.column_stack([lateral, depth, gain]) / pair_errors

    def residuals(parameters: npt.NDArray[Any]) -> Floats:
        return deviations(parameters).ravel()

    bounds = [1 / MAX_GAIN, *[-np.inf] * 5], np.inf
    result = least_squares(residuals, [*first, 0.0], bounds=bounds, x_scale="jac", loss="soft_l1")
    scatter = 1.4826 * np.median(abs(deviations(result.x)), 0).clip(1 / 1.4826)
    lateral = scatter[:2].max()
    jacobian = np.asarray(result.jac, float)
    errors = np.sqrt(np.linalg.inv(jacobian.T @ jacobian).diagonal())
    errors *= np.array([scatter[3], lateral, lateral, lateral, scatter[2], scatter[2]])
    return result.x[:5], errors[:5], result.x[5], errors[5]
