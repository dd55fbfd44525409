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
    Section,
    Some,
    TestDatasets,
    Text,
)
from foci3d.config.figures import FiguresConfig
from foci3d.config.studies import RobustnessConfig, SeedReplicatesConfig
from foci3d.config.tasks import TASKS, ClassicalTask, NetworkTask, TaskSpec
from foci3d.config.training import TrainingConfig


class ImagerConfig(Section):
    """The imager."""

    n_pixels: int = Field(ge=16, description="pixels of a measurement in y and in x")
    pixel_pitch_um: Positive = Field(description="distance between neighbouring pixels [um]")
    sensor_separation_um: Positive = Field(description="distance between sensor A and sensor B [um]")


class OpticsConfig(Section):
    """Optics of the imager as designed: the angular acceptance of its pixels."""

    fwhm_deg: float = Field(gt=0, lt=180, description="full width at half maximum of the angular acceptance [degrees]")
    standoff_um: NonNegative = Field(description="thickness of filter and passivation above the pixels [um]")
    linear_fill_factor: float = Field(
        default=1.0, gt=0, le=1, description="light-sensitive width of a pixel [pitches] [assumed]"
    )


class ScanConfig(Section):
    """A z-scan of beads or pinholes."""

    stack: Text = Field(
        default="simulated", description="TIFF stack, one frame per depth, or `simulated`: a pinhole scan of psf.optics"
    )
    depths: Text = Field(
        default="simulated", description="CSV file with the column depth_um, one row per frame, or `simulated`"
    )
    pixel_pitch_um: Positive = Field(
        default=55.0, description="pixel pitch of the frames, which may differ from that of the imager [um] [assumed]"
    )
    saturation: Positive = Field(
        default=4095.0, description="reading at which a pixel is saturated, as of a 12-bit ADC"
    )


class ScanSimulationConfig(Section):
    """The simulated scan."""

    depths_um: Annotated[Many[Positive], Field(min_length=2)] = Field(
        default=(
            25.0,
            50.0,
            100.0,
            150.0,
            200.0,
            300.0,
            400.0,
            500.0,
            600.0,
            800.0,
            1000.0,
            1200.0,
            1400.0,
            1600.0,
            1800.0,
            2000.0,
        ),
        description="depth of each frame [um]",
    )
    frame_pixels: int = Field(
        default=101,
        ge=16,
        description="pixels of a frame in y and in x; more than the imager has show tails of kernels",
    )
    n_beads: Count = Field(default=3, description="pinholes in a frame")
    peak_electrons: Positive = Field(default=500.0, description="electrons in the brightest pixel of each frame")
    read_noise_electrons: NonNegative = Field(
        default=20.0, description="standard deviation of the read noise [electrons]"
    )
    background_electrons: NonNegative = Field(default=100.0, description="mean background [electrons]")


class PsfConfig(Section):
    """The point-spread function."""

    source: Literal["scan", "optics", "file"] = Field(
        default="scan", description="a z-scan of beads or pinholes, the designed optics, or your own kernels"
    )
    kernel_model: Literal["parametric", "radial", "empirical"] = Field(
        default="parametric",
        description="kernels of a scan: fitted angular acceptance, measured radial profile or measured image; the last "
        "two need depth_range_um inside the scan",
    )
    depth_range_um: Interval = Field(description="depths that the kernels cover [um]")
    depth_step_um: Positive = Field(default=5.0, description="depth between kernels, interpolated in between [um]")
    scan: ScanConfig = Field(default_factory=ScanConfig, description="a bead or pinhole scan")
    simulation: ScanSimulationConfig = Field(default_factory=ScanSimulationConfig, description="the simulated scan")
    optics: OpticsConfig = Field(description="the imager's optics as designed")
    file: Text = Field(
        default="none", description="HDF5 file of kernels (depth, y, x) and depths_um for the source `file`, or `none`"
    )
    width_relative_sd: float = Field(
        default=0.0,
        ge=0,
        lt=0.3,
        description="relative standard deviation of the real PSF's width from sample to sample",
    )


class SceneConfig(Section):
    """Appearance of a synthetic layer of cells; intervals are sampled uniformly, anew for each layer."""

    perlin_backend: Literal["batched", "noise_package"] = Field(
        default="batched",
        description="Perlin noise with a new lattice for each image, or of the package `noise` (slow, one lattice)",
    )
    octaves: int = Field(ge=1, le=8, description="octaves of the noise")
    persistence: FractionInterval = Field(
        description="amplitude of an octave relative to the one before; low: round foci"
    )
    lattice_cells: PositiveInterval = Field(description="lattice cells across the image")
    threshold: Interval = Field(description="noise (0 to 1) above which there are cells")
    intensity_cv: Interval = Field(description="coefficient of variation of a cell pixel, log-normal")
    tumour_to_background: PositiveInterval = Field(description="ratio of the means")
    background_cv: Interval = Field(description="coefficient of variation of a background pixel, log-normal")
    texture_sigma_px: Interval = Field(
        default=(0.0, 0.0),
        description="standard deviation of the Gaussian filter that correlates neighbouring pixels [pixels] [measured]",
    )
    edge_sigma_px: Interval = Field(
        default=(0.0, 0.0),
        description="standard deviation of the Gaussian filter that softens borders of cells, not of masks [pixels]",
    )
    gain: PositiveInterval = Field(description="mean of the cell pixels [a.u.]")
    cluster_coverage: Fraction = Field(
        default=0.1, description="largest share of the image that a moving cluster covers [assumed]"
    )

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

    scatter_per_mm: NonNegative = Field(
        default=0.0,
        description="reduced scattering coefficient, widens the PSF; valid for depths up to its inverse [1/mm]",
    )
    absorption_per_mm: NonNegative = Field(
        default=0.0, description="absorption coefficient, attenuates far layers [1/mm]"
    )
    motion_um: NonNegative = Field(
        default=0.0, description="longest path of the specimen during an exposure, uniform from 0 [um]"
    )
    margin_pixels: int = Field(
        default=0,
        ge=0,
        le=200,
        description="scene beyond each edge of the image, whose light reaches the sensor [pixels]",
    )


class IlluminationConfig(Section):
    """The laser beam that excites the specimen."""

    beam_radius_um: NonNegative = Field(
        default=0.0, description="radius at which the beam has fallen to 1/e^2, or 0: even light [um]"
    )
    beam_offset_um: NonNegative = Field(
        default=0.0, description="standard deviation of the beam's centre in x and in y [um]"
    )


class SensorConfig(Section):
    """Noise and read-out of a sensor."""

    full_scale: Positive = Field(
        default=8.0, description="image value of a full pixel; cells have a mean of gain [a.u.]"
    )
    full_well_electrons: NonNegative = Field(
        default=0.0, description="electrons of a full pixel, or 0: no noise, saturation or ADC"
    )
    read_noise_electrons: NonNegative = Field(
        default=0.0, description="standard deviation of the read noise [electrons]"
    )
    adc_bits: int = Field(default=12, ge=1, le=24, description="bits of the analogue-to-digital converter")


class SampleCounts(Section):
    """Samples in each split of each dataset."""

    train: Count = Field(description="training samples of each dataset")
    validation: Count = Field(description="validation samples of each dataset")
    test: Count = Field(description="test samples of each dataset")
    sequences: Count = Field(description="moving clusters in the test")


class ShardCounts(Section):
    """Files that each split is written to."""

    train: Count = Field(default=5, description="files of a training split; the samples do not depend on it")
    validation: Count = Field(default=2, description="files of a validation split")
    test: Count = Field(default=2, description="files of a test split")


class MatFiles(Section):
    """MATLAB files that take the place of synthetic samples."""

    train: Many[MatFile] = Field(description="MATLAB files to train on")
    validation: Many[MatFile] = Field(description="MATLAB files to validate on")
    test: Some[MatFile] = Field(description="MATLAB files to test on")


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

    source: Source = Field(default="synthetic", description="`synthetic`, or MATLAB files (.mat) by split")
    scene: Literal["layers", "moving", "slides"] = Field(
        default="layers",
        description="independent layers, a moving cluster, or real images (the last two only for tests)",
    )
    appearance: Text = Field(default="paper", description="appearance of synthetic layers, one of appearances")
    n_layers: Count = Field(description="layers of a sample")
    sensors: Literal["A", "AB"] = Field(description="sensors that measure a sample")
    depth_range_um: Interval = Field(description="depths of the layers [um]")
    depth_step_um: NonNegative = Field(
        default=0.0, description="step of the depths from the start of the range [um], or 0 for continuous depths"
    )
    minimum_gap_um: NonNegative = Field(default=0.0, description="least distance between neighbouring layers [um]")
    overlap: Literal["keep", "remove"] = Field(default="keep", description="what happens to cells where layers overlap")
    empty_layers: float = Field(
        default=0.0, ge=0, lt=1, description="probability that a layer holds no cells; such layers come last"
    )

    @property
    def is_synthetic(self) -> bool:
        """Whether samples are synthesized, not read from MATLAB files."""
        return self.source == "synthetic"

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

    image: Literal["human_mitosis", "ihc"] = Field(
        default="human_mitosis",
        description="fluorescent nuclei of human cells, or colon tissue with a DAB stain: resources/README.md",
    )
    binning: Count = Field(
        default=2, description="pixels of the image averaged into one of the imager, along each axis"
    )
    n_stacks: Count = Field(
        default=6, description="stacks of crops, of which no two overlap; 25 crops of 51 x 51 pixels fit side by side"
    )


class MethodConfig(Section):
    """A network or classical method, fitted to one dataset and tested on some."""

    dataset: Text = Field(
        description="dataset that it is trained and validated on, or that its parameters are chosen on"
    )
    test_datasets: TestDatasets = Field(
        default=(), description="datasets that it is tested on", json_schema_extra={"default": ["<dataset>"]}
    )

    @model_validator(mode="before")
    @classmethod
    def _test_on_its_dataset(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and isinstance(values.get("dataset"), str):
            return {"test_datasets": [values["dataset"]], **values}
        return values


class NetworkConfig(MethodConfig):
    """A network."""

    task: NetworkTask = Field(description="what the network predicts")
    architecture: Annotated[Architecture, ARCHITECTURES] = Field(description="layers of the network")
    training: TrainingConfig = Field(default_factory=TrainingConfig, description="how the network is trained")
    average_symmetries: bool = Field(
        default=False, description="average predictions over the exact symmetries of the imager"
    )
    weights: str = Field(
        default="trained",
        pattern=r"^trained$|\.json$",
        description="`trained`, or the JSON file of a model that takes the place of the training",
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

    weights: str = Field(
        default="synthetic",
        pattern=r"^synthetic$|\.(safetensors|pt)$",
        description="`synthetic`: pretrained on the dataset; or a local .safetensors or .pt file of a ResNet-18",
    )
    dataset: Text = Field(description="dataset of the pretext task: the depth and the coverage of each layer")
    training: TrainingConfig = Field(description="how the encoder is pretrained")


class BaselineConfig(MethodConfig):
    """A classical method on test datasets, which it is given the depths of."""

    task: ClassicalTask = Field(description="what the method predicts")
    method: Annotated[ClassicalMethod, CLASSICAL_METHODS] = Field(
        description="the classical method and the candidates for each of its parameters"
    )
    smoothing_sigma_px: Some[NonNegative] = Field(
        default=(0.0,),
        description="candidates for the standard deviation of the Gaussian filter behind the method [pixels]",
    )
    depth_sd_um: NonNegative = Field(
        default=0.0, description="standard deviation of the errors of the depths that the method is given [um]"
    )

    @property
    def spec(self) -> TaskSpec:
        """Description of the task."""
        return TASKS[self.task]


class TrackingConfig(Section):
    """Foci followed through the frames of a time series."""

    max_lateral_um: Positive = Field(
        default=110.0, description="largest lateral distance that a focus moves from frame to frame: two pixels [um]"
    )
    max_depth_um: Positive = Field(
        default=400.0,
        description="largest distance in depth that a focus moves from frame to frame: to the next layer only [um]",
    )
    max_gap: int = Field(
        default=0, ge=0, description="frames for which a focus may be missing and is the same focus afterwards"
    )


class ReconstructConfig(Section):
    """Reconstruction of acquisitions."""

    samples: Text = Field(default="config/samples.tsv", description="table of acquisitions")
    network: Text = Field(description="network that reconstructs")
    threshold: Fraction = Field(default=0.5, description="probability above which a pixel holds a cell")
    tracking: TrackingConfig = Field(
        default_factory=TrackingConfig, description="foci followed through the frames of a time series"
    )


class TrustConfig(Section):
    """How far to trust predictions: recalibration, abstention and the out-of-distribution flag of a network."""

    network: Text = Field(description="network that is tested, of a task with masks")
    dataset: Text = Field(description="one of its test_datasets")
    n_samples: int = Field(
        default=200, ge=10, description="validation samples to fit to, and samples of each kind of inputs"
    )
    coverage: Fraction = Field(
        default=0.9, description="share of the pixels that a map does not abstain from, on validation"
    )
    false_alarm_rate: Fraction = Field(default=0.05, description="share of the validation samples that are flagged")


class BoundsConfig(Section):
    """Bounds set by the optics."""

    power_snr: Positive = Field(
        default=1e4,
        description="mean power of a layer over that of white noise, for the recoverable share in Fig. 4b [assumed]",
    )


class ComputeConfig(Section):
    """The machine."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="where networks run; auto: on a GPU if there is one"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="arithmetic of training; auto: bfloat16 where it is faster"
    )
    threads: Count = Field(
        default=1,
        description="threads of each training and prediction; two at once with one thread each are faster than in turn "
        "with two",
    )
    devices: Count = Field(
        default=1, description="GPUs of one training, or processes on the CPU, which share its threads"
    )


class Config(Section):
    """The whole configuration."""

    results: str = Field(
        pattern=r"^[^\s{}]+$", description="a folder below which everything is written, without spaces or braces"
    )
    seed: int = Field(default=2022, ge=0, description="root of every random number")
    plugins: Many[Text] = Field(
        default=(), description="Python files that register networks, methods or tasks of your own"
    )
    imager: ImagerConfig = Field(description="the imager")
    psf: PsfConfig = Field(description="the point-spread function")
    appearances: Named[SceneConfig] = Field(min_length=1, description="appearances of synthetic layers by name")
    specimen: SpecimenConfig = Field(
        default_factory=SpecimenConfig, description="effects of the specimen, which the paper leaves out"
    )
    illumination: IlluminationConfig = Field(
        default_factory=IlluminationConfig, description="the light on the specimen, which is even in the paper"
    )
    sensor: SensorConfig = Field(
        default_factory=SensorConfig, description="noise and read-out of the sensors, which the paper leaves out"
    )
    n_samples: SampleCounts = Field(description="samples in each split of each dataset")
    shards: ShardCounts = Field(default_factory=ShardCounts, description="files that each split is written to")
    datasets: Named[DatasetConfig] = Field(min_length=1, description="the datasets by name")
    slides: SlidesConfig = Field(default_factory=SlidesConfig, description="real images as layers")
    networks: Named[NetworkConfig] = Field(min_length=1, description="the networks by name")
    pretraining: PretrainingConfig = Field(description="the weights that `encoder: pretrained` starts from")
    seed_replicates: SeedReplicatesConfig = Field(
        default_factory=SeedReplicatesConfig, description="what is trained again with other seeds"
    )
    ablation: Names = Field(default=(), description="networks whose trainings the target `ablation` compares")
    layers: Names = Field(
        default=(), description="networks that the target `layers` compares by the numbers of layers and sensors"
    )
    baselines: Named[BaselineConfig] = Field(default={}, description="the classical methods by name")
    benchmark_entries: Named[Named[Text]] = Field(
        default={},
        description="predictions of other methods for the benchmark, .h5 or .npz, by name of the method and dataset",
    )
    figures: FiguresConfig = Field(description="what each figure of the paper shows")
    reconstruct: ReconstructConfig = Field(description="reconstruction of acquisitions")
    trust: TrustConfig = Field(description="how far to trust predictions")
    robustness: RobustnessConfig = Field(
        default_factory=RobustnessConfig, description="errors of the imager under which networks are tested"
    )
    bounds: BoundsConfig = Field(default_factory=BoundsConfig, description="bounds set by the optics")
    n_bootstrap: int = Field(default=1000, ge=10, description="resamplings behind every confidence interval")
    compute: ComputeConfig = Field(default_factory=ComputeConfig, description="the machine")

    @property
    def is_forward_model_exact(self) -> bool:
        """Whether measurements are those of the forward model alone, without effects of specimen, light and sensors."""
        beam, electrons = self.illumination.beam_radius_um, self.sensor.full_well_electrons
        return self.specimen == SpecimenConfig() and not (beam or electrons or self.psf.width_relative_sd)

    @property
    def reference_dataset(self) -> str:
        """Dataset whose layers the statistics of the scenes describe: that of the network of Fig. 4."""
        return self.networks[self.figures.fig4.network].dataset
