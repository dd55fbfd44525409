"""The configuration as typed models, the one definition of every key, with its type, range and meaning; here its root.

`config.yaml` holds what the paper says; other keys have a default here. No others are allowed. Models are frozen.
Numbers are strict: 64.0 is no integer, "1e4" and infinity are no numbers. `foci3d.config.cross_checks` and
`foci3d.config.target_checks` say how entries must fit each other. `workflow/schemas/config.schema.yaml` and
`docs/reference/configuration.md` are generated from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import model_validator

from foci3d.config.architectures import ARCHITECTURES, Architecture
from foci3d.config.classical_methods import CLASSICAL_METHODS, ClassicalMethod
from foci3d.config.datasets import DatasetConfig, SampleCounts, SceneConfig, ShardCounts, SlidesConfig
from foci3d.config.fields import (
    Count,
    Fraction,
    Many,
    Named,
    Names,
    NonNegative,
    Positive,
    PrecisionChoice,
    Section,
    Some,
    Specimen,
    TestDatasets,
    Text,
    UnusableFrames,
    key,
)
from foci3d.config.figures import FiguresConfig
from foci3d.config.imager import IlluminationConfig, ImagerConfig, PsfConfig, SensorConfig, SpecimenConfig
from foci3d.config.studies import RobustnessConfig, SeedReplicatesConfig
from foci3d.config.tasks import TASKS, ClassicalTask, NetworkTask, TaskSpec
from foci3d.config.training import TrainingConfig


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
    ablation: Names = key("networks or seed replicates whose trainings the target `ablation` compares", ())
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
    def trainings(self) -> dict[str, NetworkConfig]:
        """Networks and seed replicates by name."""
        replicates = self.seed_replicates.by_name.items()
        return self.networks | {name: self.networks[replicate.network] for name, replicate in replicates}

    @property
    def is_forward_model_exact(self) -> bool:
        """Whether measurements are those of the forward model alone, without effects of specimen, light and sensors."""
        beam, electrons = self.illumination.beam_radius_um, self.sensor.full_well_electrons
        return self.specimen == SpecimenConfig() and not (beam or electrons or self.psf.width_relative_sd)

    @property
    def reference_dataset(self) -> str:
        """Dataset whose layers the statistics of the scenes describe: that of the network of Fig. 4."""
        return self.networks[self.figures.fig4.network].dataset
