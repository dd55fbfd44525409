"""Classical methods as the configuration describes them: tuned on one dataset, applied to others."""

from dataclasses import dataclass, replace
from typing import Self

from foci3d.classical.tuning import TunedMethod, inexact_depths, tune
from foci3d.config.models import BaselineConfig
from foci3d.io.hdf5 import Attribute
from foci3d.io.predictions import Predictions
from foci3d.io.samples import NumpySamples, Outputs
from foci3d.optics.forward import ForwardModel


@dataclass(frozen=True)
class Baseline:
    """A tuned classical method.

    Parameters
    ----------
    name : str
        Its name in the configuration.
    config : BaselineConfig
        Its configuration.
    method : TunedMethod
        The method with all its parameters.
    forward : ForwardModel
        The imager.
    psf_digest : str
        Digest of its point-spread function.
    seed : int
        Seed of the errors of the depths that the method is given.
    """

    name: str
    config: BaselineConfig
    method: TunedMethod
    forward: ForwardModel
    psf_digest: str
    seed: int

    @classmethod
    def from_config(
        cls,
        name: str,
        config: BaselineConfig,
        forward: ForwardModel,
        psf_digest: str,
        samples: NumpySamples,
        depth_range_um: tuple[float, float],
        seed: int,
    ) -> Self:
        """Tune the method on validation samples, whose depths are in `depth_range_um`."""
        given_um = inexact_depths(samples.depths_um, config.depth_sd_um, depth_range_um, [seed, *b"validation"])
        given = replace(samples, depths_um=given_um)
        tuned = tune(config.method, config.spec, config.smoothing_sigma_px, forward, given)
        return cls(name, config, tuned, forward, psf_digest, seed)

    def predict_samples(
        self, samples: NumpySamples, dataset_name: str, depth_range_um: tuple[float, float]
    ) -> Predictions:
        """Apply the method to the test samples of a dataset, whose depths are in `depth_range_um`."""
        depth_sd_um, tuned = self.config.depth_sd_um, self.method
        given_um = inexact_depths(samples.depths_um, depth_sd_um, depth_range_um, [self.seed, *b"test"])
        attributes: dict[str, Attribute] = {"method": tuned.name, **tuned.parameters, "depth_sd_um": depth_sd_um}
        attributes |= {"smoothing_sigma_px": tuned.smoothing_sigma_px, "psf": self.psf_digest}
        return Predictions(
            network=self.name,
            dataset=dataset_name,
            task=self.config.task,
            samples=samples,
            outputs=Outputs(output=tuned.predict(self.forward, samples.measurements, given_um)),
            target=samples.arrays()[self.config.spec.classical_target],
            attributes=attributes,
        )
