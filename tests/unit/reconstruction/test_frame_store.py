"""Frames that are kept on the disk until a series is complete."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from foci3d.confidence.quality import Quality
from foci3d.reconstruction.foci import find_foci
from foci3d.reconstruction.frame_store import FrameStore
from foci3d.reconstruction.volume import Reconstruction

MEASUREMENT = np.random.default_rng(0).random((2, 8, 9), np.float32)


def reconstruct(measurement: np.ndarray, *_: np.ndarray) -> Reconstruction:
    probability = np.random.default_rng(1).random((2, 8, 9), np.float32)
    foci = find_foci(probability, 0.7, (100.0, 300.0), (12.5, 20.0), 55.0)
    layers = (probability, (100.0, 300.0), (12.5, 20.0), (1.0, 0.5), foci, 0.7, 55.0, (0.0, 1000.0))
    return Reconstruction(measurement, *layers, Quality(0.5, note="a note"))


def refuse(*_: np.ndarray) -> Reconstruction:
    raise AssertionError


def test_frames_are_read_as_they_were_computed(tmp_path: Path) -> None:
    store = FrameStore(tmp_path, "settings")
    computed = store.add([MEASUREMENT], reconstruct)
    again = store.add([MEASUREMENT], refuse)
    assert len(store) == len(store[:]) == 2
    for read in (again, *store):
        for field in fields(Reconstruction):
            first, second = getattr(computed, field.name), getattr(read, field.name)
            if field.name == "foci":
                pd.testing.assert_frame_equal(first, second)
            elif isinstance(first, np.ndarray):
                np.testing.assert_array_equal(first, second)
            else:
                assert first == second


def test_other_settings_and_measurements_find_nothing(tmp_path: Path) -> None:
    store = FrameStore(tmp_path, "settings")
    store.add([MEASUREMENT], reconstruct)
    for other, images in (
        (FrameStore(tmp_path, "others"), [MEASUREMENT]),
        (store, [MEASUREMENT + 1]),
        (store, [MEASUREMENT, MEASUREMENT]),
    ):
        with pytest.raises(AssertionError):
            other.add(images, refuse)
