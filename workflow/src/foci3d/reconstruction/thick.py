"""Reconstruction of thick specimens as a volume of light, see `foci3d.classical.volume`."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from skimage.measure import label, regionprops_table

from foci3d.classical.volume import PLANE_DISTANCE_UM, fit_volume
from foci3d.confidence.quality import Quality, judge_light
from foci3d.errors import InputError
from foci3d.evaluation.metrics import CELL_THRESHOLD
from foci3d.learning.model import Model
from foci3d.reconstruction.volume import Reconstruction

CELL_SHARE = 0.22
"""Light of a voxel, relative to that of the brightest thousandth, above which it belongs to a cell."""

DEPTH_SD_UM = 40.0
"""Typical error of the middle of a body in depth [um]."""

EDGE_SD_UM = 100.0
"""Typical error of its edges, which the fit blurs [um]."""


def reconstruct_volume(
    measurement: npt.NDArray[Any], model: Model, threshold: float = CELL_THRESHOLD
) -> Reconstruction:
    """Reconstruct a thick specimen.

    Parameters
    ----------
    measurement : ndarray (S, Y, X)
        Images of the sensors, linear in light and without an offset.
    model : Model
        Its point-spread function and geometry are used, not its network.
    threshold : float
        As of `foci3d.reconstruct`.

    Returns
    -------
    Reconstruction
        Layers are planes of voxels. What stands for the probability is x / (x + t) for the light x of a voxel and t,
        `CELL_SHARE` of the light of the brightest; it is not calibrated. `foci` is `body_table`.

    Raises
    ------
    InputError
        If the model has no point-spread function.
    """
    if model.psf is None:
        raise InputError("specimen: volume needs the point-spread function of the imager. Give the file of the PSF.")
    light, depths_um = fit_volume(measurement, model.psf, model.sensor_separation_um)
    note = f"volume of {len(depths_um)} planes; edges are uncertain by about {EDGE_SD_UM:g} um in depth, no flag"
    empty, quality = judge_light(measurement, model, Quality(note=note))
    limit = max(CELL_SHARE * float(np.quantile(light, 0.999)), 1e-30)
    probability = light / (light + limit) * (not empty)
    return Reconstruction(
        measurement=measurement,
        probability=probability,
        depths_um=tuple(depths_um.tolist()),
        depth_sds_um=(DEPTH_SD_UM,) * len(depths_um),
        occupancy=tuple(float(plane.any()) for plane in probability > threshold),
        foci=body_table(probability, threshold, depths_um, model.pixel_pitch_um),
        threshold=threshold,
        pixel_pitch_um=model.pixel_pitch_um,
        sensor_depths_um=(0.0, model.sensor_separation_um)[: len(measurement)],
        quality=quality,
        specimen="volume",
    )


def body_table(
    probability: npt.NDArray[np.float32], threshold: float, depths_um: npt.NDArray[np.float64], pixel_pitch_um: float
) -> pd.DataFrame:
    """Bodies: voxels `(D, Y, X)` above the threshold that touch each other, in any direction.

    The columns of `find_foci` without y_sd_um and x_sd_um, by first depth: layer and depth_um are those of the
    centroid, area_um2 is the mean over its planes. Also first_depth_um and last_depth_um of its planes, and volume_um3.
    """
    labels = label(probability > threshold)
    regions = regionprops_table(labels, probability, properties=("bbox", "centroid", "num_pixels", "intensity_mean"))
    plane_um = float(depths_um[1] - depths_um[0]) if len(depths_um) > 1 else PLANE_DISTANCE_UM
    first, last = (regions[name].astype(int) for name in ("bbox-0", "bbox-3"))
    areas_um2 = regions["num_pixels"] * pixel_pitch_um**2
    return pd.DataFrame(
        {
            "layer": regions["centroid-0"].round().astype(int) + 1,
            "depth_um": np.interp(regions["centroid-0"], np.arange(len(depths_um)), depths_um),
            "depth_sd_um": DEPTH_SD_UM,
            "y_um": (regions["centroid-1"] + 0.5) * pixel_pitch_um,
            "x_um": (regions["centroid-2"] + 0.5) * pixel_pitch_um,
            "area_um2": areas_um2 / np.maximum(last - first, 1),
            "probability": regions["intensity_mean"],
            "first_depth_um": depths_um[first],
            "last_depth_um": depths_um[last - 1],
            "volume_um3": areas_um2 * plane_um,
            "cell": np.arange(1, len(areas_um2) + 1),
        }
    )
