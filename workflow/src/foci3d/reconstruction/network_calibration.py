"""What a network knows of its own errors: its calibration file, fitted on validation samples."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError

from foci3d.config.fields import Section
from foci3d.config.models import TrustConfig
from foci3d.errors import InputError
from foci3d.evaluation import calibration
from foci3d.evaluation.calibration import DepthCalibration, LogitCalibration
from foci3d.evaluation.metrics import BoolArray, FloatArray
from foci3d.io.atomic import atomic_path
from foci3d.learning.inference import Model
from foci3d.learning.model_file import ModelDescription
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.reconstruction.consistency import Reference, consistency_statistics
from foci3d.reconstruction.rendering import relative_residual

KIND: Final = "foci3d-calibration"
VERSION: Final = 3


class NetworkCalibration(Section):
    """The calibration file of a network, fitted on validation samples.

    `weights` and `psf` are digests of the network's weights and of the point-spread function; `average_symmetries` says
    how its probabilities were predicted, which changes their calibration; `reference` is that of uncalibrated
    probabilities; `typical_residual` is the median of `foci3d.reconstruction.rendering.relative_residual`.
    """

    kind: Literal["foci3d-calibration"] = KIND
    version: Literal[3] = VERSION
    network: str
    weights: str
    psf: str
    average_symmetries: bool
    n_samples: int
    calibrator: LogitCalibration
    depth_calibrator: DepthCalibration
    coverage: float
    confidence_threshold: float
    reference: Reference
    typical_residual: float

    def save(self, path: str | Path) -> None:
        """Write as JSON."""
        with atomic_path(path) as temporary:
            temporary.write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: str | Path, weights: str) -> "NetworkCalibration":
        """Read what `save` wrote for the network whose weights have the digest `weights`.

        Raises
        ------
        InputError
            If the file is missing, damaged, of another kind, or belongs to other weights.
        """
        try:
            found = cls.model_validate_json(Path(path).read_text())
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            raise InputError(
                f"{path}: cannot be read as the calibration of a network; expected the JSON file that rule "
                "calibrate_network writes, run it again."
            ) from error
        if found.weights != weights:
            raise InputError(
                f"{path}: belongs to weights {found.weights}; expected {weights}, those of the model. Calibrate the "
                "model again."
            )
        return found


def find_calibration(description_path: str | Path, model: Model) -> NetworkCalibration | None:
    """Read the calibration beside the JSON file of a model, ``<model>.calibration.json``, if there is one.

    Raises
    ------
    InputError
        If it is damaged, of another kind, or belongs to other weights.
    """
    path = Path(description_path).with_suffix(".calibration.json")
    return NetworkCalibration.load(path, model.description.digests.weights) if path.exists() else None


def optics_of(model: Model, psf: PSF) -> ForwardModel:
    """The forward operator of the imager that a model is used for."""
    return ForwardModel(psf, model.description.n_pixels, model.description.in_channels, model.sensor_separation_um)


def layer_depths(
    outputs: Mapping[str, npt.NDArray[Any]], description: ModelDescription
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Predicted depths of the layers and their standard deviations [um], with the shape that a model's `outputs` have.

    Of a model that predicts none, they are the mean and the standard deviation in its training data, `(L,)`.
    """
    if "predicted_depths_um" in outputs:
        return outputs["predicted_depths_um"], outputs["predicted_depth_sds_um"]
    layers = description.layer_depths_um
    return np.array([layer.mean for layer in layers]), np.array([layer.sd for layer in layers])


def answer_statistics(
    model: Model, psf: PSF, measurements: npt.NDArray[Any], outputs: Mapping[str, npt.NDArray[Any]]
) -> FloatArray:
    """`consistency_statistics (N, F)` of a model's `outputs` for `measurements (N, S, Y, X)`, see `Model.predict`."""
    depths = layer_depths(outputs, model.description)
    return consistency_statistics(optics_of(model, psf), measurements, outputs["output"], *depths)


def calibrate_network(
    model: Model,
    psf: PSF,
    samples: Mapping[str, npt.NDArray[Any]],
    trust: TrustConfig,
    device: torch.device | str,
    *,
    average_symmetries: bool,
) -> NetworkCalibration:
    """Fit the calibration of a network to validation samples.

    Parameters
    ----------
    model : Model
        A model for the task `masks` or `stacks`.
    psf : PSF
        Point-spread function of the imager.
    samples : mapping of str to ndarray
        Arrays of the validation split as in a shard: sensors, masks and depths_um.
    trust : TrustConfig
        Number of samples, coverage and rate of false alarms.
    device : torch.device or str
        Where to compute, see `Model.predict`.
    average_symmetries : bool
        Whether to average over the symmetries of the imager, see `Model.predict`.

    Returns
    -------
    NetworkCalibration
        The content of the calibration file.
    """
    names = ("sensors", "masks", "depths_um")
    measurements, target, true_depths_um = (samples[name][: trust.n_samples] for name in names)
    outputs = model.predict(measurements, device, average_symmetries=average_symmetries)
    probabilities = outputs["output"]
    calibrator = LogitCalibration.fit(probabilities, target > 0)
    calibrated = calibrator(probabilities)
    depths, sds = (np.broadcast_to(values, calibrated.shape[:2]) for values in layer_depths(outputs, model.description))
    residuals = [
        relative_residual(psf, model.sensor_separation_um, *sample)
        for sample in zip(measurements, calibrated, depths, strict=True)
    ]
    return NetworkCalibration(
        network=model.description.network,
        weights=model.description.digests.weights,
        psf=psf.digest,
        average_symmetries=average_symmetries,
        n_samples=len(measurements),
        calibrator=calibrator,
        depth_calibrator=DepthCalibration.fit(depth_errors(depths, true_depths_um, target > 0), sds),
        coverage=trust.coverage,
        confidence_threshold=calibration.confidence_threshold(calibrated, trust.coverage),
        reference=Reference.fit(answer_statistics(model, psf, measurements, outputs), trust.false_alarm_rate),
        typical_residual=float(np.median(residuals)),
    )


def depth_errors(depths_um: FloatArray, true_depths_um: FloatArray, cells: BoolArray) -> FloatArray:
    """Predicted minus true depths `(N, L)` [um]; NaN of layers without cells in `cells (N, L, Y, X)`."""
    return np.where(cells.any((-2, -1)), depths_um - true_depths_um, np.nan)
