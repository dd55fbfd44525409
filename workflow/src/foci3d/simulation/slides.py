"""Real microscope images as layers of cells: crops at random depths.

A microscope image covers far less than the field of the imager. Averaged and cropped to the imager's pixels, it gives
the scenes the texture of tissue, not its scale.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from numpy.random import Generator
from skimage import data
from skimage.color import rgb2hed
from skimage.filters import threshold_otsu
from skimage.transform import downscale_local_mean
from torch import Tensor

from foci3d.config.models import DatasetConfig
from foci3d.errors import InputError
from foci3d.simulation.scene import place_depths

LOADERS = {"ihc": "immunohistochemistry", "human_mitosis": "human_mitosis"}
"""Images of scikit-image by name, and the function that loads each."""

DAB = 2
"""Channel of the stain that marks the cells, of the channels haematoxylin, eosin and DAB."""


def load_label(name: str, binning: int) -> npt.NDArray[np.float32]:
    """Load an image and average its pixels.

    Parameters
    ----------
    name : str
        ``ihc``, colon tissue of which the DAB stain is taken; or ``human_mitosis``, fluorescent nuclei.
    binning : int
        Pixels of the image that are averaged into one, along each axis.

    Returns
    -------
    ndarray (Y, X), float32
        Amount of label, at least 0 [a.u.].

    Raises
    ------
    InputError
        If the image is neither stored nor available for download.
    """
    try:
        image = getattr(data, LOADERS[name])()
    except (OSError, ValueError, ImportError) as error:
        raise InputError(
            f"slides.image: {name} could not be fetched ({type(error).__name__}); expected a network connection, or "
            "the file in the folder SKIMAGE_DATADIR. Provide one of them or choose ihc, which needs neither."
        ) from error
    label = rgb2hed(image)[..., DAB] if image.ndim == 3 else image.astype(float)
    return downscale_local_mean(label.clip(min=0), binning).astype(np.float32)


def crop_stacks(
    label: npt.NDArray[np.float32], generators: Sequence[Generator], dataset: DatasetConfig, n_pixels: int
) -> dict[str, Tensor]:
    """Crop stacks of layers from an image.

    The crops of a stack do not overlap, and each is mirrored and rotated at random. Cells are where the label exceeds
    the image's threshold of Otsu; layers are scaled so that the mean of all cells in the image is 1.

    Parameters
    ----------
    label : ndarray (Y, X)
        Amount of label.
    generators : sequence of numpy.random.Generator
        One for each of N stacks.
    dataset : DatasetConfig
        Number of layers and depths.
    n_pixels : int
        Pixels of a layer in y and x.

    Returns
    -------
    dict of str to Tensor
        layers (N, L, Y, X) float32 [a.u.], masks (N, L, Y, X) uint8, depths_um (N, L) float32.

    Raises
    ------
    InputError
        If the image holds fewer crops than a stack has layers.
    """
    threshold = threshold_otsu(label)
    layers = np.stack([_crop(label, generator, dataset.n_layers, n_pixels) for generator in generators])
    uniform = np.stack([generator.random(dataset.n_layers) for generator in generators])
    return {
        "layers": torch.from_numpy(layers / label[label > threshold].mean()),
        "masks": torch.from_numpy((layers > threshold).astype(np.uint8)),
        "depths_um": place_depths(torch.from_numpy(uniform), dataset),
    }


def _crop(
    label: npt.NDArray[np.float32], generator: Generator, n_layers: int, n_pixels: int
) -> npt.NDArray[np.float32]:
    """Crops `(L, Y, X)` from a grid whose corner is random."""
    rows, columns = (length // n_pixels for length in label.shape)
    if rows * columns < n_layers:
        raise InputError(
            f"slides.binning: the averaged image has {label.shape[0]} x {label.shape[1]} pixels, which hold "
            f"{rows * columns} crops of {n_pixels} x {n_pixels}; expected at least {n_layers}. Lower the binning."
        )
    top, left = (int(generator.integers(length % n_pixels + 1)) for length in label.shape)
    grid = label[top : top + rows * n_pixels, left : left + columns * n_pixels]
    tiles = grid.reshape(rows, n_pixels, columns, n_pixels).swapaxes(1, 2).reshape(-1, n_pixels, n_pixels)
    crops = generator.permutation(tiles)[:n_layers]
    return np.stack([np.rot90(crop[:, :: generator.choice([-1, 1])], int(generator.integers(4))) for crop in crops])
