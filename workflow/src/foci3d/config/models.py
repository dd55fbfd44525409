"""The configuration as typed models: the one definition of every key, with its type, range and meaning.

`config.yaml` holds what the paper says; other keys have a default here. No others are allowed. Models are frozen.
Numbers are strict: 64.0 is no integer, "1e4" and infinity are no numbers. `foci3d.config.cross_checks` and
`foci3d.config.target_checks` say how entries must fit each other. `workflow/schemas/config.schema.yaml` and
`docs/reference/configuration.md` are generated from here.

The sections of all three PSF sources are always present: an overlay is merged into `config.yaml` key by key, so a
union on `psf.source` would refuse the keys that `config.yaml` holds for the other sources.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from foci3d.config.architectures import ARCHITECTURES, Architecture
from foci3d.config.classical_methods import CLASSICAL_METHODS, ClassicalMethod
from foci3d.config.fields import (
    Count,
    Fraction,
    FractionInterval,
    Interval,
    Many,
    MatFile,
    Named,
    Names,
    NonNegative,
    Positive,
    PositiveInterval,
    PrecisionChoice,
    Section,
    Shares,
    Some,
    Specimen,
    TestDatasets,
    Text,
    UnusableFrames,
    key,
)
from foci3d.config.figures import FiguresConfig
from foci3d.config.studies import RobustnessConfig, SeedReplicatesConfig
from foci3d.config.tasks import TASKS, ClassicalTask, NetworkTask, TaskSpec
from foci3d.config.training import TrainingConfig

SCAN_DEPTHS_UM = (25.0, 50.0, 100.0, 150.0, *(100.0 * step for step in (2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20)))


class ImagerConfig(Section):
    """The imager."""

    n_pixels: int = key("pixels of a measurement in y and in x", ge=16)
    pixel_pitch_um: Positive = key("distance between neighbouring pixels [um]")
    sensor_separation_um: Positive = key("distance between sensor A and sensor B [um]")


class OpticsConfig(Section):
    """Optics of the imager as designed: the angular acceptance of its pixels."""

    fwhm_deg: float = key("full width at half maximum of the angular acceptance [degrees]", gt=0, lt=180)
    standoff_um: NonNegative = key("thickness of filter and passivation above the pixels [um]")
    linear_fill_factor: float = key("light-sensitive width of a pixel [pitches] [assumed]", 1.0, gt=0, le=1)


class ScanConfig(Section):
    """A z-scan of beads or pinholes."""

    stack: Text = key("TIFF stack, one frame per depth, or `simulated`: a pinhole scan of psf.optics", "simulated")
    depths: Text = key("CSV file with the column depth_um, one row per frame, or `simulated`", "simulated")
    pixel_pitch_um: Positive = key("pixel pitch of the frames, also another than the imager's [um] [assumed]", 55.0)
    saturation: Positive = key("reading at which a pixel is saturated, as of a 12-bit ADC", 4095.0)


class ScanSimulationConfig(Section):
    """The simulated scan."""

    depths_um: Annotated[Many[Positive], Field(min_length=2)] = key("depth of each frame [um]", SCAN_DEPTHS_UM)
    frame_pixels: int = key("pixels of a frame in y and in x; more show the tails of the kernels", 101, ge=16)
    n_beads: Count = key("pinholes in a frame", 3)
    peak_electrons: Positive = key("electrons in the brightest pixel of each frame", 500.0)
    read_noise_electrons: NonNegative = key("standard deviation of the read noise [electrons]", 20.0)
    background_electrons: NonNegative = key("mean background [electrons]", 100.0)


class PsfConfig(Section):
    """The point-spread function."""

    source: Literal["scan", "optics", "file"] = key("a z-scan of beads, the designed optics, or your kernels", "scan")
    kernel_model: Literal["parametric", "radial", "empirical"] = key(
        "kernels of a scan: fitted, or measured profile or image, which need depth_range_um inside the scan",
        "parametric",
    )
    depth_range_um: Interval = key("depths that the kernels cover [um]")
    depth_step_um: Positive = key("depth between kernels, interpolated in between [um]", 5.0)
    scan: ScanConfig = key("a bead or pinhole scan", ScanConfig)
    simulation: ScanSimulationConfig = key("the simulated scan", ScanSimulationConfig)
    optics: OpticsConfig = key("the imager's optics as designed")
    file: Text = key("HDF5 file of kernels (depth, y, x) and depths_um for the source `file`, or `none`", "none")
    width_relative_sd: float = key("relative standard deviation of the real PSF's width", 0.0, ge=0, lt=0.3)


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


class SpecimenConfig(Section):
    """What happens to light in the specimen, and its motion; 0 turns an effect off."""

    scatter_per_mm: NonNegative = key("reduced scattering coefficient; valid for depths up to its inverse [1/mm]", 0.0)
    absorption_per_mm: NonNegative = key("absorption coefficient, attenuates far layers [1/mm]", 0.0)
    motion_um: NonNegative = key("longest path of the specimen during an exposure, uniform from 0 [um]", 0.0)
    margin_pixels: int = key("scene beyond each edge of the image [pixels]", 0, ge=0, le=200)


class IlluminationConfig(Section):
    """The laser beam that excites the specimen."""

    beam_radius_um: NonNegative = key("radius at which the beam has fallen to 1/e^2, or 0: even light [um]", 0.0)
    beam_offset_um: NonNegative = key("standard deviation of the beam's centre in x and in y [um]", 0.0)


class SensorConfig(Section):
    """Noise and read-out of a sensor."""

    full_scale: Positive = key("image value of a full pixel; cells have a mean of gain [a.u.]", 8.0)
    full_well_electrons: NonNegative = key("electrons of a full pixel, or 0: no noise, saturation or ADC", 0.0)
    read_noise_electrons: NonNegative = key("standard deviation of the read noise [electrons]", 0.0)
    adc_bits: int = key("bits of the analogue-to-digital converter", 12, ge=1, le=24)


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
    def n_sensors(self) -> int:
        """Number of sensors."""
        return len(self.sensors)

    @property
    def depth_classes_um(self) -> tuple[float, ...]:
        """Depths of a dataset whose depths come in steps, empty where they are continuous [um]."""
        low, high = self.depth_range_um
        step = self.depth_step_um
        return tuple(low + index * step for index in range(math.floor((high - low) / step) + 1)) if step else ()


class SlidesConfig(Section):
    """Real microscope images as layers."""

    image: Literal["human_mitosis", "ihc"] = key("nuclei, or colon tissue (resources/README.md)", "human_mitosis")
    binning: Count = key("pixels of the image averaged into one of the imager, along each axis", 2)
    n_stacks: Count = key("stacks of crops, of which no two overlap; 25 crops of 51 x 51 pixels fit side by side", 6)


class MethodConfig(Section):
    """A network or classical method, fitted to one dataset and tested on some."""

    dataset: Text = key("dataset that it is trained and validated on, or that its parameters are chosen on")
    test_datasets: TestDatasets = key("datasets that it is tested on", (), json_schema_extra={"default": ["<dataset>"]})

    @model_validator(mode="before")
    @classmethod
    def _test_on_its_dataset(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and isinstance(values.get("dataset"), str):
            return {"test_datasets": [values["dataset"]], **values}
        return values


class NetworkConfig(MethodConfig):
    """A network."""

    task: NetworkTask = key("what the network predicts")
    architecture: Annotated[Architecture, ARCHITECTURES] = key("layers of the network")
    training: TrainingConfig = key("how the network is trained", TrainingConfig)
    average_symmetries: bool = key("average predictions over the exact symmetries of the imager", False)
    weights: str = key("`trained`, or the JSON file of a model", "trained", pattern=r"^trained$|\.json$")
    initial_model: str = key(
        "JSON file of a model whose weights a training starts from where names and shapes fit, or empty: random",
        "",
        pattern=r"^$|\.json$",
    )

    @property
    def spec(self) -> TaskSpec:
        """Description of the task."""
        return TASKS[self.task]

    @property
    def starts_pretrained(self) -> bool:
        """Whether the encoder starts from the weights of `pretraining`."""
        return getattr(self.architecture, "encoder", None) == "pretrained"


class PretrainingConfig(Section):
    """The weights that a pretrained encoder starts from."""

    weights: str = key(
        "`synthetic` or a .safetensors or .pt file", "synthetic", pattern=r"^synthetic$|\.(safetensors|pt)$"
    )
    dataset: Text = key("dataset of the pretext task: the depth and the coverage of each layer")
    training: TrainingConfig = key("how the encoder is pretrained")


class BaselineConfig(MethodConfig):
    """A classical method on test datasets, which it is given the depths of."""

    task: ClassicalTask = key("what the method predicts")
    method: Annotated[ClassicalMethod, CLASSICAL_METHODS] = key("the method and candidates for its parameters")
    smoothing_sigma_px: Some[NonNegative] = key(
        "candidates for the standard deviation of the filter behind the method [pixels]", (0.0,)
    )
    depth_sd_um: NonNegative = key("standard deviation of the errors of the depths that the method is given [um]", 0.0)

    @property
    def spec(self) -> TaskSpec:
        """Description of the task."""
        return TASKS[self.task]


class TrackingConfig(Section):
    """Foci followed through the frames of a time series."""

    max_lateral_um: Positive = key("largest lateral motion from frame to frame, beside errors: two pixels [um]", 110.0)
    max_depth_um: Positive = key(
        "largest motion in depth from frame to frame, beside errors: to the next layer [um]", 400.0
    )
    max_gap: int = key("frames for which a focus may be missing and is the same focus afterwards", 0, ge=0)


class ConditioningConfig(Section):
    """What is found in the measurements themselves and removed before they are reconstructed."""

    offset: bool = key("whether to fit the even light on each sensor, and subtract it where it is determined", True)
    defects: bool = key("whether to find hot pixels and dead pixels, rows and columns, and fill them in", True)


ALIGNED = "aligned"
"""Value of `reconstruct.imager` for the deviations that the workflow finds."""


class AlignConfig(Section):
    """Deviations of the imager from its description, from acquisitions of its own; see `reconstruct.imager`."""

    samples: str = key("table of acquisitions to align the imager from, with the columns of reconstruct.samples", "")
    specimen: Literal["layers", "cells"] = key("layers of cells, or a few single cells or beads in each", "cells")
    fit: Literal["separation", "width", "neither"] | None = key(
        "what to fit of two that cannot be distinguished; of cells the separation, of layers neither", None
    )


class ReconstructConfig(Section):
    """Reconstruction of acquisitions."""

    samples: Text = key("table of acquisitions", "config/samples.tsv")
    network: Text = key("network that reconstructs")
    specimen: Specimen = key(
        "layers of cells; a few single cells or a volume, without a network; or auto: layers or cells",
        "layers",
    )
    n_layers: int | None = key("number of layers with cells if it is known, for a network that predicts it", None, ge=0)
    threshold: Fraction = key("probability above which a pixel holds a cell", 0.5)
    unusable_frames: UnusableFrames = key("frames of a series that are blank, dark, saturated or missing", "skip")
    imager: str = key(
        "file of foci3d align with the deviations of the imager; aligned: found from align.samples; empty: none", ""
    )
    unmixing: str = key(
        "table (CSV) of the light of each fluorophore in each channel, of samples in several channels; empty: none", ""
    )
    conditioning: ConditioningConfig = key("corrections of the measurements", ConditioningConfig)
    tracking: TrackingConfig = key("foci followed through the frames of a time series", TrackingConfig)


class TrustConfig(Section):
    """How far to trust predictions: recalibration, abstention and the out-of-distribution flag of a network."""

    network: Text = key("network that is tested, of a task with masks")
    dataset: Text = key("one of its test_datasets")
    n_samples: int = key("validation samples to fit to, and samples of each kind of inputs", 200, ge=10)
    coverage: Fraction = key("share of the pixels that a map does not abstain from, on validation", 0.9)
    false_alarm_rate: Fraction = key("share of the validation samples that are flagged", 0.05)


class BoundsConfig(Section):
    """Bounds set by the optics."""

    power_snr: Positive = key("power of a layer over that of white noise, for the shares in Fig. 4b [assumed]", 1e4)


class ComputeConfig(Section):
    """The machine."""

    device: Literal["auto", "cpu", "cuda"] = key("where networks run; auto: on a GPU if there is one", "auto")
    precision: PrecisionChoice = key("arithmetic; auto: bfloat16 where it is faster", "auto")
    threads: Count = key("threads of each job; two jobs with one thread each are faster than in turn with two", 1)
    devices: Count = key("GPUs of one training, or processes on the CPU, which share its threads", 1)


class Config(Section):
    """The whole configuration."""

    results: str = key(
        "a folder below which everything is written: up to 200 characters, no spaces and braces, no ~ at its beginning",
        pattern=r"^[^~\s{}\x00-\x1f\x7f][^\s{}\x00-\x1f\x7f]{0,199}$",
    )
    seed: int = key("root of every random number", 2022, ge=0)
    plugins: Many[Text] = key("Python files that register networks, methods or tasks of your own", ())
    imager: ImagerConfig = key("the imager")
    psf: PsfConfig = key("the point-spread function")
    appearances: Named[SceneConfig] = key("appearances of synthetic layers by name", min_length=1)
    specimen: SpecimenConfig = key("effects of the specimen, which the paper leaves out", SpecimenConfig)
    illumination: IlluminationConfig = key("the light on the specimen, which is even in the paper", IlluminationConfig)
    sensor: SensorConfig = key("noise and read-out of the sensors, which the paper leaves out", SensorConfig)
    n_samples: SampleCounts = key("samples in each split of each dataset")
    shards: ShardCounts = key("files that each split is written to", ShardCounts)
    datasets: Named[DatasetConfig] = key("the datasets by name", min_length=1)
    slides: SlidesConfig = key("real images as layers", SlidesConfig)
    networks: Named[NetworkConfig] = key("the networks by name", min_length=1)
    pretraining: PretrainingConfig = key("the weights that `encoder: pretrained` starts from")
    seed_replicates: SeedReplicatesConfig = key("what is trained again with other seeds", SeedReplicatesConfig)
    ablation: Names = key("networks whose trainings the target `ablation` compares", ())
    layers: Names = key("networks that the target `layers` compares by the numbers of layers and sensors", ())
    baselines: Named[BaselineConfig] = key("the classical methods by name", {})
    benchmark_entries: Named[Named[Text]] = key("predictions of other methods, .h5 or .npz, by method and dataset", {})
    figures: FiguresConfig = key("what each figure of the paper shows")
    align: AlignConfig = key("deviations of the imager from its description", AlignConfig)
    reconstruct: ReconstructConfig = key("reconstruction of acquisitions")
    trust: TrustConfig = key("how far to trust predictions")
    robustness: RobustnessConfig = key("errors of the imager under which networks are tested", RobustnessConfig)
    bounds: BoundsConfig = key("bounds set by the optics", BoundsConfig)
    n_bootstrap: int = key("resamplings behind every confidence interval", 1000, ge=10)
    compute: ComputeConfig = key("the machine", ComputeConfig)

    @property
    def is_forward_model_exact(self) -> bool:
        """Whether measurements are those of the forward model alone, without effects of specimen, light and sensors."""
        beam, electrons = self.illumination.beam_radius_um, self.sensor.full_well_electrons
        return self.specimen == SpecimenConfig() and not (beam or electrons or self.psf.width_relative_sd)

    @property
    def reference_dataset(self) -> str:
        """Dataset whose layers the statistics of the scenes describe: that of the network of Fig. 4."""
        return self.networks[self.figures.fig4.network].dataset
