"""Settings of the classical methods, an open registry by the key `name`."""

from __future__ import annotations

from typing import ClassVar, Literal

from foci3d.config.fields import Count, Positive, Section, Some, key
from foci3d.config.registry import Registry

CLASSICAL_METHODS = Registry("classical method")


class ClassicalMethod(Section):
    """A classical method with the candidates for each of its parameters; a class for each registered name."""

    single_layer: ClassVar[bool] = False
    """Whether the method is for samples of one layer only."""

    name: str = key("classical method")

    @property
    def candidates(self) -> dict[str, tuple[float, ...]]:
        """Candidates by parameter."""
        return self.model_dump(exclude={"name"})


@CLASSICAL_METHODS.add("identity")
class IdentityConfig(ClassicalMethod):
    """The measurement itself."""

    name: Literal["identity"] = key("classical method")


@CLASSICAL_METHODS.add("wiener")
class WienerConfig(ClassicalMethod):
    """Wiener deconvolution of a single layer."""

    single_layer = True

    name: Literal["wiener"] = key("classical method")
    balance: Some[Positive] = key("candidates for the weight of the prior")


@CLASSICAL_METHODS.add("richardson_lucy")
class RichardsonLucyConfig(ClassicalMethod):
    """Richardson-Lucy deconvolution of a single layer."""

    single_layer = True

    name: Literal["richardson_lucy"] = key("classical method")
    iterations: Some[Count] = key("candidates for the number of iterations")


@CLASSICAL_METHODS.add("back_projection")
class BackProjectionConfig(ClassicalMethod):
    """Adjoint of the forward operator."""

    name: Literal["back_projection"] = key("classical method")


@CLASSICAL_METHODS.add("layered_wiener")
class LayeredWienerConfig(ClassicalMethod):
    """Joint Tikhonov solution for all layers."""

    name: Literal["layered_wiener"] = key("classical method")
    noise_to_signal: Some[Positive] = key("candidates for the power of the noise over that of a layer")


@CLASSICAL_METHODS.add("nonnegative_least_squares")
class NonnegativeLeastSquaresConfig(ClassicalMethod):
    """Non-negative least squares for all layers, stopped early."""

    name: Literal["nonnegative_least_squares"] = key("classical method")
    iterations: Some[Count] = key("candidates for the number of iterations")
