"""Settings of datasets: their scenes, the numbers of samples and files, and the files that take the place of scenes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

from foci3d.config.fields import (
    Count,
    Fraction,
    FractionInterval,
    Interval,
    Many,
    MatFile,
    NonNegative,
    PositiveInterval,
    Section,
    Shares,
    Some,
    key,
)


class SceneConfig(Section):
    """Appearance of a synthetic layer of cells; intervals are sampled uniformly, anew for each layer."""

    shape: Literal["perlin", "ellipses", "filaments"] = key("shape of the cells: thresholded Perlin noise", "perlin")
    cell_radius_px: PositiveInterval = key(
        "radius of ellipses, or half the width of a filament; not used by perlin [pixels] [assumed]", (1.5, 7.5)
    )
    coverage: FractionInterval = key(
        "share of a layer that holds cells, in the mean; not used by perlin [assumed]", (0.05, 0.5)
    )
    perlin_backend: Literal["batched", "noise_package"] = key(
        "Perlin noise: a new lattice for each image, or one of the package `noise` (slow)", "batched"
    )
    octaves: int = key("octaves of the noise", ge=1, le=8)
    persistence: FractionInterval = key("amplitude of an octave relative to the one before; low: round foci")
    lattice_cells: PositiveInterval = key("lattice cells across the image")
    threshold: Interval = key("noise (0 to 1) above which there are cells")
    intensity_cv: Interval = key("coefficient of variation of a cell pixel, log-normal")
    tumour_to_background: PositiveInterval = key("ratio of the means")
    background_cv: Interval = key("coefficient of variation of a background pixel, log-normal")
    texture_sigma_px: Interval = key(
        "standard deviation of the Gaussian filter that correlates pixels [pixels] [measured]", (0.0, 0.0)
    )
    edge_sigma_px: Interval = key(
        "standard deviation of the Gaussian filter that softens borders of cells, not of masks [pixels]", (0.0, 0.0)
    )
    gain: PositiveInterval = key("mean of the cell pixels [a.u.]")
    cluster_coverage: Fraction = key("largest share of the image that a moving cluster covers [assumed]", 0.1)

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The keys that are intervals."""
        return {key: value for key, value in self if isinstance(value, tuple)}

    @property
    def has_independent_pixels(self) -> bool:
        """Whether borders are sharp and pixels independent, with the same coefficients of variation in all layers."""
        filters = max(self.texture_sigma_px[1], self.edge_sigma_px[1])
        return filters == 0 and all(low == high for low, high in (self.intensity_cv, self.background_cv))


class SampleCounts(Section):
    """Samples in each split of each dataset."""

    train: Count = key("training samples of each dataset")
    validation: Count = key("validation samples of each dataset")
    test: Count = key("test samples of each dataset")
    sequences: Count = key("moving clusters in the test")


class ShardCounts(Section):
    """Files that each split is written to."""

    train: Count = key("files of a training split; the samples do not depend on it", 5)
    validation: Count = key("files of a validation split", 2)
    test: Count = key("files of a test split", 2)


class MatFiles(Section):
    """MATLAB files that take the place of synthetic samples."""

    train: Many[MatFile] = key("MATLAB files to train on")
    validation: Many[MatFile] = key("MATLAB files to validate on")
    test: Some[MatFile] = key("MATLAB files to test on")


def _parse_source(value: Any) -> Any:
    """A plain validator, as a union would add its tags to the location of errors."""
    if value == "synthetic" or isinstance(value, MatFiles):
        return value
    if isinstance(value, Mapping):
        return MatFiles.model_validate(value)
    raise PydanticCustomError("source", "neither `synthetic` nor MATLAB files by split")


Source = Annotated[
    Literal["synthetic"] | MatFiles,
    PlainValidator(_parse_source, json_schema_input_type=Literal["synthetic"] | MatFiles),
]


class DatasetConfig(Section):
    """A dataset."""

    source: Source = key("`synthetic`, or MATLAB files (.mat) by split", "synthetic")
    scene: Literal["layers", "moving", "slides"] = key(
        "independent layers, or for tests a cluster or real images", "layers"
    )
    appearance: Shares = key(
        "appearance of synthetic layers, one of appearances, or several with their shares of the samples",
        {"paper": 1.0},
        json_schema_extra={"default": "paper"},
    )
    n_layers: Count = key("layers of a sample, or the most of them")
    minimum_layers: int | None = key(
        "fewest layers of a sample, whose number is uniform up to n_layers, or null: n_layers in each; the first of no "
        "layers is background without cells, others are dark",
        None,
        ge=0,
    )
    sensors: Literal["A", "AB"] = key("sensors that measure a sample")
    depth_range_um: Interval = key("depths of the layers [um]")
    depth_step_um: NonNegative = key("step of the depths from the start of the range [um]; 0: continuous", 0.0)
    minimum_gap_um: NonNegative = key("least distance between neighbouring layers [um]", 0.0)
    overlap: Literal["keep", "remove"] = key("what happens to cells where layers overlap", "keep")
    empty_layers: float = key("probability that a layer holds no cells; such layers come last", 0.0, ge=0, lt=1)

    @property
    def is_synthetic(self) -> bool:
        """Whether samples are synthesized, not read from MATLAB files."""
        return self.source == "synthetic"

    @property
    def varies_layers(self) -> bool:
        """Whether the number of layers varies from sample to sample."""
        return self.minimum_layers is not None

    @property
    def has_empty_layers(self) -> bool:
        """Whether layers may be without cells, by `empty_layers` or as the number of layers varies; they come last."""
        return self.empty_layers > 0 or self.varies_layers

    @property
    def n_sensors(self) -> int:
        """Number of sensors."""
        return len(self.sensors)

    @property
    def n_depth_steps(self) -> int:
        """Steps of the depths in their range, 0 where they are continuous."""
        low, high = self.depth_range_um
        return math.floor((high - low) / self.depth_step_um) if self.depth_step_um else 0

    @property
    def minimum_gap_steps(self) -> int:
        """Least distance between neighbouring layers in whole steps, 0 where depths are continuous."""
        return math.ceil(self.minimum_gap_um / self.depth_step_um) if self.depth_step_um else 0

    @property
    def depth_classes_um(self) -> tuple[float, ...]:
        """Depths of a dataset whose depths come in steps, empty where they are continuous [um]."""
        low, step = self.depth_range_um[0], self.depth_step_um
        return tuple(low + index * step for index in range(self.n_depth_steps + 1)) if step else ()


class SlidesConfig(Section):
    """Real microscope images as layers."""

    image: Literal["human_mitosis", "ihc"] = key("nuclei, or colon tissue (resources/README.md)", "human_mitosis")
    binning: Count = key("pixels of the image averaged into one of the imager, along each axis", 2)
    n_stacks: Count = key("stacks of crops, of which no two overlap; 25 crops of 51 x 51 pixels fit side by side", 6)
