"""A bundled acquisition whose truth is known, to try a reconstruction at once.

The images are simulated, by a simulator that shares no code with this library: clusters of cells in four layers between
the two sensors of the imager that `config/config.yaml` describes.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import tifffile

from foci3d.config.samples import Acquisition, make_acquisition
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.psf import PSF, depth_grid
from foci3d.reconstruction.truth import Truth

FOLDER = Path(__file__).parents[1] / "demo_data"
DEPTH_STEP_UM = 10.0


@dataclass(frozen=True)
class Demo:
    """The bundled acquisition.

    Parameters
    ----------
    acquisition : Acquisition
        Its images.
    psf : PSF
        Point-spread function of its imager.
    truth : Truth
        Where the layers hold cells.
    """

    acquisition: Acquisition
    psf: PSF
    truth: Truth

    @classmethod
    def load(cls) -> Self:
        """Read the files of the package, and compute the point-spread function from the optics.

        >>> Demo.load().truth.masks.shape
        (4, 51, 51)
        """
        about = json.loads((FOLDER / "acquisition.json").read_text(encoding="utf-8"))
        pitch_um, masks = about["pixel_pitch_um"], tifffile.imread(FOLDER / "masks.tif")
        depths_um = depth_grid((0, 2 * about["sensor_separation_um"]), DEPTH_STEP_UM)
        kernels = acceptance_kernels(AngularAcceptance(**about["optics"]), depths_um, masks.shape[-1], pitch_um)
        psf = PSF(kernels.float(), depths_um.float(), pitch_um, {"source": "optics", **about["optics"]})
        images = {f"sensor_{side}": str(FOLDER / f"sensor_{side}.tif") for side in "ab"}
        acquisition = make_acquisition({"sample": "demo", "pixel_pitch_um": pitch_um, **images})
        return cls(acquisition, psf, Truth.of_layers(masks > 0, tuple(about["depths_um"])))
