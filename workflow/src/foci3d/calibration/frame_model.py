"""One frame of a bead scan: a background plus the images of its beads, linearized in positions and optics."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from foci3d.optics.acceptance import AngularAcceptance, height_um, pixel_means

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LinearizedFrame:
    """One frame, linearized at given nonlinear parameters.

    `coefficients` of the linear parameters (amplitudes, background) solve the weighted least-squares problem. The
    weighted `residual (P,)` and `jacobian (P, 2 + 2 B)` are projected orthogonally to them (variable projection,
    Kaufman, BIT 15, 1975). `leverage (P,)` is the share of a pixel's noise variance that they absorb.
    """

    coefficients: Floats
    fitted: Floats
    residual: Floats
    jacobian: Floats
    leverage: Floats


@dataclass(frozen=True)
class Frame:
    """One frame of a bead scan.

    Parameters
    ----------
    readings : ndarray (Y, X), float64
        Raw readings.
    depth_um : float
        Depth of the beads [um].
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    source : str
        File of the scan, for error messages.
    """

    readings: Floats
    depth_um: float
    pixel_pitch_um: float
    source: str

    def images(self, optics: AngularAcceptance, centres: Floats) -> Floats:
        """Images of beads, and their derivatives.

        Parameters
        ----------
        optics : AngularAcceptance
            The optics.
        centres : ndarray (B, 2)
            Centres y, x of the beads [pixels].

        Returns
        -------
        ndarray (5, B, Y * X)
            Light relative to that right below each bead, and its derivatives by FWHM [degrees], height, y and x [um].
        """
        pitch_um = self.pixel_pitch_um
        rows, columns = (torch.arange(size, dtype=torch.float64) for size in self.readings.shape)
        return np.stack(
            [
                _response_gradients(optics, self.depth_um, (rows - y) * pitch_um, (columns - x) * pitch_um, pitch_um)
                for y, x in centres
            ],
            1,
        ).reshape(5, len(centres), -1)

    def linearize(
        self, optics: AngularAcceptance, centres: Floats, deviation: Floats, brightness: Floats | None = None
    ) -> LinearizedFrame:
        """Fit amplitudes and background, and linearize the frame in the other parameters.

        Parameters
        ----------
        optics : AngularAcceptance
            The optics.
        centres : ndarray (B, 2)
            Centres y, x of the beads [pixels].
        deviation : ndarray (Y, X)
            Standard deviation of the readings.
        brightness : ndarray (B,), optional
            Ratios of brightness that the beads keep, which makes them one rigid image; by default each has its own.

        Returns
        -------
        LinearizedFrame
            Columns of the Jacobian: FWHM [degrees], stand-off [um], then y and x of each bead, or of all [pixels].
        """
        deviation = deviation.ravel()
        gradients = self.images(optics, centres)  # (value and derivatives, B, P)
        if brightness is not None:
            gradients = np.tensordot(gradients, brightness, (1, 0))[:, None]
        design = np.vstack([gradients[0], np.ones(self.readings.size)]).T / deviation[:, None]
        basis, triangle = np.linalg.qr(design)
        reading = self.readings.ravel() / deviation
        coefficients = np.linalg.solve(triangle, basis.T @ reading)
        slopes = coefficients[:-1, None] * gradients[1:] / deviation  # (4, B, P)
        lateral = (slopes[2:] * self.pixel_pitch_um).swapaxes(0, 1).reshape(-1, self.readings.size)
        jacobian = np.vstack([slopes[:2].sum(1), lateral]).T
        return LinearizedFrame(
            coefficients,
            (design @ coefficients * deviation).reshape(self.readings.shape),
            basis @ (basis.T @ reading) - reading,
            jacobian - basis @ (basis.T @ jacobian),
            (basis**2).sum(1),
        )


def _response_gradients(
    acceptance: AngularAcceptance, depth_um: float, y_um: Tensor, x_um: Tensor, pixel_pitch_um: float
) -> Floats:
    """`pixel_response` and its derivatives by FWHM [degrees], height, y and x of the source [um], `(5, Y, X)`."""
    high_um = height_um(acceptance, depth_um, pixel_pitch_um)
    sharpness = 4 * math.log(2) / math.radians(acceptance.fwhm_deg) ** 2

    def light(y: Tensor, x: Tensor) -> Tensor:
        slope = torch.hypot(y, x).clamp(min=1e-9)
        angle, secant = slope.atan(), 1 + slope.square()
        value = torch.exp(-sharpness * angle.square()) * secant.rsqrt().pow(3)
        decay = value * (2 * sharpness * angle / slope + 3) / secant / high_um  # -(d value / d slope) / slope / height
        by_fwhm = value * angle.square() * (2 * sharpness / acceptance.fwhm_deg)
        return torch.stack([value, by_fwhm, decay * slope.square(), decay * y, decay * x])

    return pixel_means(light, acceptance, depth_um, y_um, x_um, pixel_pitch_um, oversample=3).numpy()
