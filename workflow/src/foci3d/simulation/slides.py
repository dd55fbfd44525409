"""Real microscope images as layers of cells: crops at random depths.

A microscope image covers far less than the field of the imager. Averaged and cropped to the imager's pixels, it gives
the scenes the texture of tissue, not its scale.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from numpy.random import Generator
from skimage import data
from skimage.color import rgb2hed
from skimage.filters import threshold_otsu
from skimage.transform import downscale_local_mean
from torch import Tensor

from foci3d.config.datasets import DatasetConfig, SlidesConfig
from foci3d.errors import InputError
from foci3d.io.image_formats import read_image_file
from foci3d.io.samples import Scenes
from foci3d.simulation.scene import place_depths

DAB = 2
"""Channel of the stain that marks the cells, of the channels haematoxylin, eosin and DAB."""


def load_label(slides: SlidesConfig, nuclei: Path) -> npt.NDArray[np.float32]:
    """Load an image of cells and average its pixels.

    Parameters
    ----------
    slides : SlidesConfig
        The image, ``human_mitosis`` (fluorescent nuclei) or ``ihc`` (colon tissue, of which the DAB stain is taken),
        and the number of pixels to average.
    nuclei : Path
        The file of ``human_mitosis``. The package scikit-image holds ``ihc``.

    Returns
    -------
    ndarray (Y, X), float32
        Amount of label, at least 0 [a.u.].

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    if slides.image == "ihc":
        return load_tissue(slides.binning)
    return downscale_local_mean(read_image_file(nuclei).values.astype(float), slides.binning).astype(np.float32)


def load_tissue(binning: int) -> npt.NDArray[np.float32]:
    """Amount of DAB stain `(Y, X)` in the colon tissue of scikit-image, averaged over `binning` pixels in y and x."""
    stain = rgb2hed(data.immunohistochemistry())[..., DAB].clip(min=0)
    return downscale_local_mean(stain, binning).astype(np.float32)


def crop_stacks(
    label: npt.NDArray[np.float32], generators: Sequence[Generator], dataset: DatasetConfig, n_pixels: int
) -> Scenes[Tensor]:
    """Crop stacks of layers from an image.

    No two crops overlap, so that stacks are independent samples of the image, and each crop is mirrored and rotated at
    random. Cells are where the label exceeds the image's threshold of Otsu; layers are scaled so that the mean of all
    cells in the image is 1.

    Parameters
    ----------
    label : ndarray (Y, X)
        Amount of label.
    generators : sequence of numpy.random.Generator
        One for each of N stacks; the first also chooses the crops.
    dataset : DatasetConfig
        Number of layers and depths.
    n_pixels : int
        Pixels of a layer in y and x.

    Returns
    -------
    Scenes
        Of N stacks.

    Raises
    ------
    InputError
        If the image holds fewer crops than the stacks have layers.
    """
    threshold, n_layers = threshold_otsu(label), dataset.n_layers
    crops = generators[0].permutation(_tiles(label, n_pixels))
    if len(crops) < len(generators) * n_layers:
        raise InputError(
            f"slides.n_stacks is {len(generators)}; expected at most {len(crops) // n_layers}, because the averaged "
            f"image has {label.shape[0]} x {label.shape[1]} pixels, which hold {len(crops)} crops of {n_pixels} x "
            f"{n_pixels}. Lower n_stacks or slides.binning."
        )
    layers = np.stack(
        [
            [_turn(crops[index * n_layers + layer], generator) for layer in range(n_layers)]
            for index, generator in enumerate(generators)
        ]
    )
    uniform = np.stack([generator.random(n_layers) for generator in generators])
    return Scenes(
        layers=torch.from_numpy(layers / label[label > threshold].mean()),
        masks=torch.from_numpy((layers > threshold).astype(np.uint8)),
        depths_um=place_depths(torch.from_numpy(uniform), dataset),
    )


def _tiles(label: npt.NDArray[np.float32], n_pixels: int) -> npt.NDArray[np.float32]:
    """The tiles `(N, P, P)` of a grid in the middle of an image."""
    rows, columns = (length // n_pixels for length in label.shape)
    top, left = (length % n_pixels // 2 for length in label.shape)
    grid = label[top : top + rows * n_pixels, left : left + columns * n_pixels]
    return grid.reshape(rows, n_pixels, columns, n_pixels).swapaxes(1, 2).reshape(-1, n_pixels, n_pixels)


def _turn(crop: npt.NDArray[np.float32], generator: Generator) -> npt.NDArray[np.float32]:
    """A crop, mirrored and rotated at random."""
    return np.rot90(crop[:, :: generator.choice([-1, 1])], int(generator.integers(4)))
