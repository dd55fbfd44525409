"""Crops of real images, compared with the image that they come from."""

import numpy as np
import pytest
import skimage.data
from skimage.filters import threshold_otsu
from skimage.transform import downscale_local_mean

from foci3d.errors import InputError
from foci3d.simulation import slides


@pytest.fixture(scope="module")
def dataset(config):
    return config.datasets["slides"]


def generators(count):
    return [np.random.default_rng(index) for index in range(count)]


def test_label_is_the_averaged_brown_of_the_tissue():
    label = slides.load_label("ihc", 4)
    assert label.shape == (128, 128)
    assert label.min() >= 0
    image = downscale_local_mean(skimage.data.immunohistochemistry().astype(float), (4, 4, 1))
    blueness = image[..., 2] / image.sum(-1)
    assert np.corrcoef(label.ravel(), blueness.ravel())[0, 1] < -0.8


def test_gray_images_are_averaged_unchanged(monkeypatch):
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    monkeypatch.setattr(skimage.data, "human_mitosis", lambda: image, raising=False)
    np.testing.assert_allclose(slides.load_label("human_mitosis", 2), image.reshape(4, 2, 4, 2).mean((1, 3)))


@pytest.mark.parametrize(
    "error", [ConnectionError("no network"), ValueError("wrong checksum"), ImportError("no pooch")]
)
def test_image_that_cannot_be_fetched_is_explained(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(skimage.data, "human_mitosis", fail, raising=False)
    with pytest.raises(InputError, match=r"^slides.image: human_mitosis could not be fetched .* choose ihc"):
        slides.load_label("human_mitosis", 4)


def test_crops_of_a_stack_do_not_overlap(dataset):
    label = np.random.default_rng(0).permutation(1600).reshape(40, 40).astype(np.float32)
    stacks = slides.crop_stacks(label, generators(5), dataset, 16)
    assert stacks["layers"].shape == (5, 4, 16, 16)
    scale = label[label > threshold_otsu(label)].mean()
    for stack in (stacks["layers"].numpy() * scale).round():
        assert len(np.unique(stack)) == stack.size
        corners = [np.argwhere(label == layer[0, 0])[0] for layer in stack]
        for layer, (y, x) in zip(stack, corners, strict=True):
            neighbours = label[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            assert {layer[0, 1], layer[1, 0]} <= set(neighbours.ravel())
    assert not np.array_equal(stacks["layers"][0], stacks["layers"][1])


def test_masks_are_those_of_one_threshold(dataset):
    label = slides.load_label("ihc", 4)
    stacks = slides.crop_stacks(label, generators(3), dataset, 51)
    cells = label > threshold_otsu(label)
    threshold = threshold_otsu(label) / label[cells].mean()
    np.testing.assert_array_equal(stacks["masks"], stacks["layers"] > threshold)
    assert 0.2 < stacks["masks"].float().mean() < 0.9
    assert (stacks["depths_um"].diff(dim=1) >= dataset.minimum_gap_um - 1e-3).all()


def test_image_that_is_too_small_is_refused(dataset):
    with pytest.raises(InputError, match=r"^slides.binning: .* hold 2 crops of 16 x 16; expected at least 4"):
        slides.crop_stacks(np.random.default_rng(0).random((20, 40)), generators(1), dataset, 16)
