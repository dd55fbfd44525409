from pathlib import Path

import numpy as np
import pytest
import skimage.data
import yaml
from skimage.filters import threshold_otsu
from skimage.transform import downscale_local_mean

from foci3d import scene, slides
from foci3d.errors import InputError

ENTRY = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text())["sets"]["slides"]


def generators(count):
    return [scene.sample_generator(1, "slides", "test", stack) for stack in range(count)]


def test_label_is_the_averaged_brown_of_the_tissue():
    label = slides.load_label("ihc", 4)
    assert label.shape == (128, 128)
    assert label.min() >= 0
    picture = downscale_local_mean(skimage.data.immunohistochemistry().astype(float), (4, 4, 1))
    blueness = picture[..., 2] / picture.sum(-1)
    assert np.corrcoef(label.ravel(), blueness.ravel())[0, 1] < -0.8


def test_grey_pictures_are_taken_as_they_are(monkeypatch):
    picture = np.arange(64, dtype=np.uint8).reshape(8, 8)
    monkeypatch.setattr(skimage.data, "human_mitosis", lambda: picture, raising=False)
    np.testing.assert_allclose(slides.load_label("human_mitosis", 2), picture.reshape(4, 2, 4, 2).mean((1, 3)))


@pytest.mark.parametrize(
    "error", [ConnectionError("no network"), ValueError("wrong checksum"), ImportError("no pooch")]
)
def test_picture_that_cannot_be_fetched_is_explained(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(skimage.data, "human_mitosis", fail, raising=False)
    with pytest.raises(InputError, match=r"^slides.picture: human_mitosis could not be fetched .* choose ihc"):
        slides.load_label("human_mitosis", 4)


def test_layers_of_a_stack_are_different_places_of_the_picture():
    label = np.random.default_rng(0).permutation(1600).reshape(40, 40).astype(np.float32)
    stacks = slides.cut_stacks(label, generators(5), ENTRY, 16)
    assert stacks["layers"].shape == (5, 4, 16, 16)
    scale = label[label > threshold_otsu(label)].mean()
    for stack in (stacks["layers"].numpy() * scale).round():
        assert len(np.unique(stack)) == stack.size
        corners = [np.argwhere(label == layer[0, 0])[0] for layer in stack]
        for layer, (y, x) in zip(stack, corners, strict=True):
            neighbours = label[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            assert {layer[0, 1], layer[1, 0]} <= set(neighbours.ravel())
    assert not np.array_equal(stacks["layers"][0], stacks["layers"][1])


def test_masks_are_those_of_one_threshold():
    label = slides.load_label("ihc", 4)
    stacks = slides.cut_stacks(label, generators(3), ENTRY, 51)
    cells = label > threshold_otsu(label)
    threshold = threshold_otsu(label) / label[cells].mean()
    np.testing.assert_array_equal(stacks["masks"], stacks["layers"] > threshold)
    assert 0.2 < stacks["masks"].float().mean() < 0.9
    assert (stacks["depths_um"].diff(dim=1) >= ENTRY["minimum_gap_um"] - 1e-3).all()


def test_picture_with_too_little_room_is_refused():
    with pytest.raises(
        InputError, match=r"^slides.microscope_pixels: .* room for 2 crops of 16 x 16; expected at least 4"
    ):
        slides.cut_stacks(np.random.default_rng(0).random((20, 40)), generators(1), ENTRY, 16)
