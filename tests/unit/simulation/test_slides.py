"""Crops of real images, compared with the image that they come from."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import tifffile
from skimage.filters import threshold_otsu
from skimage.transform import downscale_local_mean

from foci3d.errors import InputError
from foci3d.simulation import slides

NUCLEI = Path(__file__).parents[3] / "resources" / "cells" / "human_mitosis.tif"


@pytest.fixture(scope="module")
def dataset(config):
    return config.datasets["slides"]


def generators(count):
    return [np.random.default_rng(index) for index in range(count)]


def test_tissue_is_the_averaged_brown_of_the_image(config):
    label = slides.load_label(config.slides.model_copy(update={"image": "ihc", "binning": 4}), NUCLEI)
    assert label.shape == (128, 128)
    assert label.min() >= 0
    image = downscale_local_mean(skimage.data.immunohistochemistry().astype(float), (4, 4, 1))
    blueness = image[..., 2] / image.sum(-1)
    assert np.corrcoef(label.ravel(), blueness.ravel())[0, 1] < -0.8


def test_nuclei_are_the_averaged_image_of_scikit_image(config):
    registry = skimage.data._registry.registry
    assert hashlib.sha256(NUCLEI.read_bytes()).hexdigest() == registry["data/mitosis.tif"]
    label = slides.load_label(config.slides, NUCLEI)
    np.testing.assert_allclose(label, tifffile.imread(NUCLEI).reshape(256, 2, 256, 2).mean((1, 3)))


def test_image_that_is_missing_is_named(config, tmp_path):
    with pytest.raises(InputError, match=r"cells\.tif: file not found"):
        slides.load_label(config.slides, tmp_path / "cells.tif")


def test_no_two_crops_overlap(dataset):
    label = np.random.default_rng(0).permutation(6400).reshape(80, 80).astype(np.float32)
    stacks = slides.crop_stacks(label, generators(6), dataset, 16)
    assert stacks.layers.shape == (6, 4, 16, 16)
    crops = (stacks.layers.numpy() * label[label > threshold_otsu(label)].mean()).round()
    assert len(np.unique(crops)) == crops.size
    for crop in crops.reshape(-1, 16, 16):
        y, x = np.argwhere(label == crop[0, 0])[0]
        assert {crop[0, 1], crop[1, 0]} <= set(label[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].ravel())


def test_masks_are_those_of_one_threshold(config, dataset):
    label = slides.load_label(config.slides, NUCLEI)
    stacks = slides.crop_stacks(label, generators(config.slides.n_stacks), dataset, 51)
    cells = label > threshold_otsu(label)
    threshold = threshold_otsu(label) / label[cells].mean()
    np.testing.assert_array_equal(stacks.masks, stacks.layers > threshold)
    assert stacks.masks.float().mean() == pytest.approx(cells.mean(), rel=0.1)
    assert (stacks.depths_um.diff(dim=1) >= dataset.minimum_gap_um - 1e-3).all()


def test_more_stacks_than_crops_are_refused(dataset):
    message = r"^slides.n_stacks is 2; expected at most 1, because .* hold 6 crops of 16 x 16"
    with pytest.raises(InputError, match=message):
        slides.crop_stacks(np.random.default_rng(0).random((40, 50)), generators(2), dataset, 16)
