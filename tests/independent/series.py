"""Foci followed over time series on images of another simulator, one row per kind of series.

`PYTHONPATH=workflow/src python tests/independent/series.py --n 10 --out series.csv` prints a table with 95 % bootstrap
intervals over series and writes it. A cluster moves through four layers, 1-2-2-3-4-4, within a stack of cells or alone;
20 single cells drift, each with its own velocity. A focus is right if it is within 2 pixels and 100 um of the truth.

========================  ============================================================================================
found_percent             frames in which a moving cell has a right focus of its own
right_layer_percent       frames in which the cluster's pixels are most probable in a layer within 100 um
depth_error_um            mean absolute error of its depth
coverage_95_percent       share of these depths within 1.96 standard deviations
ghosts_per_frame          further cells within 2 pixels of the cluster
in_one_track_percent      right foci of a cell in the track that has most of them
static_moving_percent     tracks of at least 4 other foci whose speed is significant (p_static below 0.05)
speed_coverage_percent    drifting cells whose speed is within 1.96 standard deviations of the truth
========================  ============================================================================================
"""

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import scenes
import torch
from conditions import FIRST_TEST, described_psf, format_table, summarize
from imager import N_PIXELS, PITCH_UM, SEPARATION_UM, Imperfections, measure_light, point_light, read_out
from scipy import ndimage
from scipy.spatial.distance import cdist

import foci3d
from foci3d.config.fields import Specimen
from foci3d.config.models import TrackingConfig
from foci3d.reconstruction.acquisition import AcquisitionReconstruction
from foci3d.reconstruction.conditioning import find_conditioning
from foci3d.reconstruction.focus_depths import fit_depths
from foci3d.reconstruction.specimen import reconstruct_specimen
from foci3d.reconstruction.tracking import Tracks, join_foci

PATH = (0, 1, 1, 2, 3, 3)
"""Layer of the cluster in each frame."""

CLUSTER_PX = (3.0, 5.0)
SPARE_PX = 2
"""Radius of the cluster, and pixels around it without other cells, so that it stays a focus of its own."""

N_DRIFT_FRAMES, N_CELLS, DRIFT_UM = 8, 20, (6.0, 6.0, 10.0)
"""Frames and cells of a drift, and standard deviations of a cell's velocity in y, x and depth [um per frame]."""

IDEAL = Imperfections()


@dataclass(frozen=True)
class Series:
    """Images `(T, S, P, P)`, the places `(T, N, 3)` of all that moves: y, x and depth [um], and a cluster's pixels."""

    images: np.ndarray
    moving_um: np.ndarray
    footprint: np.ndarray | None = None


def _cluster(rng: np.random.Generator, n_pixels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mask `(Y, X)` of a ragged disc, what must be empty around it, and its centroid."""
    y, x = np.mgrid[:n_pixels, :n_pixels]
    cy, cx = rng.uniform(10, n_pixels - 11, 2)
    ragged = ndimage.gaussian_filter(rng.normal(size=y.shape), 1.5)
    mask = np.hypot(y - cy, x - cx) + ragged / ragged.std() <= rng.uniform(*CLUSTER_PX)
    labels, _ = ndimage.label(mask)
    mask = labels == labels[round(cy), round(cx)]
    return mask, ndimage.binary_dilation(mask, iterations=SPARE_PX), np.array(ndimage.center_of_mass(mask))


def moving_cluster(seed: int, *, is_alone: bool = False) -> Series:
    """The paper's cluster within a stack of ragged blobs, which do not move, or 8 points of it alone in the dark."""
    rng = np.random.default_rng(seed)
    scene = scenes.make_scene(scenes.blobs, seed)
    mask, free, centre = _cluster(rng, N_PIXELS)
    layers, light = scene.layers.copy(), scenes.speckle(rng, mask.shape, 0.78) * rng.uniform(0.7, 1.5)
    for layer, cells in zip(layers, scene.masks, strict=True):
        between = layer[~cells].mean() * scenes.speckle(rng, mask.shape, 0.5)
        layer[free] = between[free]
    points = np.column_stack([rng.normal(centre, 2.0, (8, 2)), np.zeros(8), rng.uniform(0.5, 1.5, 8)])
    images, places = [], []
    for frame, at in enumerate(PATH):
        depth_um = scene.depths_um[at]
        if is_alone:
            points[:, 2] = depth_um
            images.append(read_out(point_light(points), IDEAL, np.random.default_rng((seed, frame))))
            here = points[:, :2].mean(0)
        else:
            stack = layers.copy()
            stack[at][mask] = light[mask]
            images.append(read_out(measure_light(stack, scene.depths_um), IDEAL, np.random.default_rng((seed, frame))))
            here = centre
        places.append([[*((here + 0.5) * PITCH_UM), depth_um]])
    return Series(np.array(images), np.array(places), None if is_alone else mask)


def drifting_cells(seed: int) -> Series:
    """Single cells in the dark, each with a constant velocity."""
    rng = np.random.default_rng(seed)
    low, high = np.array([[3, 3, 100, 0.5], [N_PIXELS - 4, N_PIXELS - 4, SEPARATION_UM - 100, 1.5]])
    cells = rng.uniform(low, high, (N_CELLS, 4))
    step = rng.normal(0, DRIFT_UM, (N_CELLS, 3)) / (PITCH_UM, PITCH_UM, 1)
    images, places = [], []
    for frame in range(N_DRIFT_FRAMES):
        now = cells + np.column_stack([frame * step, np.zeros(N_CELLS)])
        images.append(read_out(point_light(now), IDEAL, np.random.default_rng((seed, frame))))
        places.append(np.column_stack([(now[:, :2] + 0.5) * PITCH_UM, now[:, 2]]))
    return Series(np.array(images), np.array(places))


SERIES = {
    "cluster in a stack": (moving_cluster, "layers"),
    "lone cluster of 8 cells": (partial(moving_cluster, is_alone=True), "layers"),
    "20 cells that drift": (drifting_cells, "cells"),
}
METHODS: dict[Specimen, tuple[str, ...]] = {"layers": ("two_sensors", "any_layers"), "cells": ("cells",)}
MAX_LATERAL_UM, MAX_DEPTH_UM = 2 * PITCH_UM, 100.0
MIN_FRAMES, SIGNIFICANT = 4, 0.05


def reconstruct_series(series: Series, model: foci3d.Model, specimen: Specimen) -> AcquisitionReconstruction:
    """As `foci3d reconstruct` does."""
    values = series.images.astype(np.float32)
    if specimen != "cells":
        conditioning = find_conditioning(values.mean(0), model)
        values = np.array([conditioning.apply(each) for each in values])
    return AcquisitionReconstruction(
        tuple(fit_depths(reconstruct_specimen(each, model, specimen), model) for each in values)
    )


def score(series: Series, result: AcquisitionReconstruction) -> dict[str, float]:
    """What was found of the cells that move, and whether the others are at rest."""
    foci = join_foci(result.foci)
    tracks = Tracks.from_foci(result.foci, TrackingConfig())
    foci = foci.merge(tracks.foci[["frame", "cell", "track"]], on=["frame", "cell"])
    right, errors, inside, n_ghosts = [], [], [], 0
    for frame, places in enumerate(series.moving_um):
        here = foci[foci["frame"] == frame]
        lateral = cdist(places[:, :2], here[["y_um", "x_um"]])
        depth = np.abs(places[:, [2]] - here["depth_um"].to_numpy())
        for cell in range(len(places)):
            near = (lateral[cell] <= MAX_LATERAL_UM).nonzero()[0]
            good = [index for index in near if depth[cell, index] <= MAX_DEPTH_UM]
            n_ghosts += len(near) - bool(good)
            if good:
                best = min(good, key=lambda index: lateral[cell, index])
                right.append((cell, int(here["track"].iloc[best])))
                errors.append(depth[cell, best])
                inside.append(depth[cell, best] <= 1.96 * here["depth_sd_um"].iloc[best])
    found = pd.DataFrame(right, columns=["cell", "track"])
    counts = found.groupby(["cell", "track"]).size()
    scores = {
        "found_percent": 100 * len(found) / series.moving_um[..., 0].size,
        "depth_error_um": float(np.mean(errors)) if errors else np.nan,
        "coverage_95_percent": 100 * float(np.mean(inside)) if inside else np.nan,
        "in_one_track_percent": 100 * counts.groupby("cell").max().sum() / max(1, len(found)),
    }
    if series.moving_um.shape[1] > 1:  # where others are near in the image, too
        return scores | {"speed_coverage_percent": _speed_coverage(series, tracks, counts)}
    scores["ghosts_per_frame"] = n_ghosts / len(series.images)
    if series.footprint is not None:
        scores["right_layer_percent"] = _right_layer(series, result)
    others = tracks.summary[~tracks.summary["track"].isin(found["track"])]
    others = others[others["n_foci"] >= MIN_FRAMES]
    return scores | {"static_moving_percent": 100 * float((others["p_static"] < SIGNIFICANT).mean())}


def _right_layer(series: Series, result: AcquisitionReconstruction) -> float:
    """Frames in which the layer with the highest probability in the pixels of the cluster is within 100 um [%]."""
    brightest = [frame.probability[:, series.footprint].mean(1).argmax() for frame in result.frames]
    depths_um = np.array([frame.depths_um[layer] for frame, layer in zip(result.frames, brightest, strict=True)])
    return 100 * float((np.abs(depths_um - series.moving_um[:, 0, 2]) <= MAX_DEPTH_UM).mean())


def _speed_coverage(series: Series, tracks: Tracks, counts: pd.Series) -> float:
    """Share of the cells in one track over all frames whose speed is within its interval [%]."""
    step_um = np.diff(series.moving_um, axis=0).mean(0)
    whole = counts[counts == len(series.images)].reset_index()
    summary = tracks.summary.set_index("track").loc[whole["track"]]
    errors = np.linalg.norm(step_um[whole["cell"]], axis=1) - summary["speed_um_per_frame"].to_numpy()
    return 100 * float((np.abs(errors) <= 1.96 * summary["speed_sd_um_per_frame"].to_numpy()).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10, help="series of each kind")
    parser.add_argument("--first", type=int, default=FIRST_TEST, help="seed of the first series")
    parser.add_argument("--series", nargs="*", default=[""], help="texts in the names of series; default: all")
    parser.add_argument("--out", type=Path, help="CSV file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    psf, tables = described_psf(), []
    for name, (make, specimen) in SERIES.items():
        for method in METHODS[specimen] if any(text in name for text in arguments.series) else ():
            network = foci3d.released_model(method if specimen == "layers" else "two_sensors")
            model = foci3d.load_model(network, psf=psf, device="cpu")
            seeds = range(arguments.first, arguments.first + arguments.n)
            scores = [score(each, reconstruct_series(each, model, specimen)) for each in map(make, seeds)]
            tables.append(summarize(name, pd.DataFrame(scores)).assign(method=method))
            print(method, format_table(tables[-1]), flush=True)
            if arguments.out:
                pd.concat(tables, ignore_index=True).to_csv(arguments.out, index=False, float_format="%.3f")


if __name__ == "__main__":
    main()
