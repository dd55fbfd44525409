"""Real microscope pictures as layers of cells: crops at random depths.

A picture of a microscope covers far less than the imager sees. Averaged down and cut to the imager's pixels, it lends
the scenes the texture of tissue, not its scale.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from skimage import data
from skimage.color import rgb2hed
from skimage.filters import threshold_otsu
from skimage.transform import downscale_local_mean
from torch import Tensor

from foci3d import scene
from foci3d.errors import InputError

LOADERS = {"ihc": "immunohistochemistry", "human_mitosis": "human_mitosis"}
"""Pictures of scikit-image that can be cut, and the function that gives each."""

DAB = 2
"""Channel of the stain that marks the cells, of the channels haematoxylin, eosin and DAB."""


def load_label(name: str, microscope_pixels: int) -> npt.NDArray[np.float32]:
    """Load a picture and average it down.

    Parameters
    ----------
    name : str
        ``ihc``, colon tissue of which the DAB stain is taken; or ``human_mitosis``, fluorescent nuclei.
    microscope_pixels : int
        Pixels of the picture that are averaged into one, along each axis.

    Returns
    -------
    ndarray (Y, X), float32
        Amount of label, at least 0 [a.u.].

    Raises
    ------
    InputError
        If the picture is not there and cannot be fetched.
    """
    try:
        picture = getattr(data, LOADERS[name])()
    except (OSError, ValueError, ImportError) as error:
        raise InputError(
            f"slides.picture: {name} could not be fetched ({type(error).__name__}); expected a network, or the file "
            "below the folder SKIMAGE_DATADIR, get one of them or choose ihc, which needs neither."
        ) from error
    label = rgb2hed(picture)[..., DAB] if picture.ndim == 3 else picture.astype(float)
    return downscale_local_mean(label.clip(min=0), microscope_pixels).astype(np.float32)


def cut_stacks(
    label: npt.NDArray[np.float32], generators: Sequence[np.random.Generator], entry: Mapping[str, Any], pixels: int
) -> dict[str, Tensor]:
    """Cut stacks of layers out of a picture.

    The layers of a stack come from places that do not overlap, each mirrored and turned at random. Cells are where the
    label exceeds the picture's threshold of Otsu; their mean over the picture becomes 1.

    Parameters
    ----------
    label : ndarray (Y, X)
        Amount of label.
    generators : sequence of numpy.random.Generator
        One for each of N stacks.
    entry : mapping
        The set's configuration: layers, and what `scene.place_depths` reads.
    pixels : int
        Pixels of a layer in y and x.

    Returns
    -------
    dict of str to Tensor
        layers (N, L, Y, X) float32 [a.u.], masks (N, L, Y, X) uint8, depths_um (N, L) float32.

    Raises
    ------
    InputError
        If the picture has fewer places than a stack has layers.
    """
    threshold = threshold_otsu(label)
    layers = np.stack([_cut(label, generator, entry["layers"], pixels) for generator in generators])
    uniform = np.stack([generator.random(entry["layers"]) for generator in generators])
    return {
        "layers": torch.from_numpy(layers / label[label > threshold].mean()),
        "masks": torch.from_numpy((layers > threshold).astype(np.uint8)),
        "depths_um": scene.place_depths(torch.from_numpy(uniform), entry),
    }


def _cut(
    label: npt.NDArray[np.float32], generator: np.random.Generator, layers: int, pixels: int
) -> npt.NDArray[np.float32]:
    """Crops `(L, Y, X)` from a grid of places whose corner is random."""
    rows, columns = (length // pixels for length in label.shape)
    if rows * columns < layers:
        raise InputError(
            f"slides.microscope_pixels: the averaged picture has {label.shape[0]} x {label.shape[1]} pixels, room for "
            f"{rows * columns} crops of {pixels} x {pixels}; expected at least {layers}, lower it."
        )
    top, left = (int(generator.integers(length % pixels + 1)) for length in label.shape)
    grid = label[top : top + rows * pixels, left : left + columns * pixels]
    places = grid.reshape(rows, pixels, columns, pixels).swapaxes(1, 2).reshape(-1, pixels, pixels)
    crops = generator.permutation(places)[:layers]
    turned = [np.rot90(crop[:, :: generator.choice([-1, 1])], int(generator.integers(4))) for crop in crops]
    return np.stack(turned)
