"""The symmetries of the square: flips, rotations and transposes of images."""

from enum import StrEnum

import torch
from torch import Tensor


class Symmetry(StrEnum):
    """A symmetry of the square: a flip in x, a flip in y and an exchange of the axes, each done or not, in this order.

    >>> Symmetry.ROTATE_90.apply(Tensor([[1, 2], [3, 4]]))
    tensor([[2., 4.],
            [1., 3.]])
    """

    IDENTITY = "identity"
    TRANSPOSE = "transpose"
    FLIP_Y = "flip_y"
    ROTATE_270 = "rotate_270"
    FLIP_X = "flip_x"
    ROTATE_90 = "rotate_90"
    ROTATE_180 = "rotate_180"
    ANTITRANSPOSE = "antitranspose"

    @property
    def flags(self) -> tuple[bool, bool, bool]:
        """Whether the symmetry flips in x, flips in y and exchanges the axes."""
        number = list(Symmetry).index(self)
        return bool(number & 4), bool(number & 2), bool(number & 1)

    def apply(self, images: Tensor) -> Tensor:
        """Transform `images (..., Y, X)`."""
        flip_x, flip_y, transpose = self.flags
        flipped = images.flip([axis for axis, flag in ((-1, flip_x), (-2, flip_y)) if flag])
        return flipped.mT if transpose else flipped

    def undo(self, images: Tensor) -> Tensor:
        """Transform `images (..., Y, X)` back."""
        inverse = next(other for other in Symmetry if self.then(other) is Symmetry.IDENTITY)
        return inverse.apply(images)

    def then(self, other: "Symmetry") -> "Symmetry":
        """The product: one symmetry followed by another."""
        corners = torch.arange(4).view(2, 2)
        both = other.apply(self.apply(corners))
        return next(symmetry for symmetry in Symmetry if torch.equal(symmetry.apply(corners), both))
