"""The files of a run, and what its rules depend on: the one place where they are named.

Snakefiles use a `Project` and nothing else of the configuration. Names with `{wildcards}` in them are patterns of
Snakemake; methods that take `wildcards` are input functions or functions of params.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from foci3d.config.architectures import EncoderConfig, ResNetCnnConfig
from foci3d.config.datasets import DatasetConfig
from foci3d.config.models import Config, NetworkConfig
from foci3d.config.tasks import DEPTH_COVERAGE, OutputKind
from foci3d.errors import InputError
from foci3d.io.model_files import ModelFiles
from foci3d.workflow.provenance import code_digest
from foci3d.workflow.reconstructions import Reconstructions, Wildcards

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Project:
    """A configured run as a Snakefile sees it.

    Parameters
    ----------
    config : Config
        The configuration.
    workflow : Path
        The folder `workflow` of the repository.
    study : str
        Name of the study that the Snakefile belongs to, or nothing for the core.
    """

    config: Config
    workflow: Path
    study: str = ""

    # What is configured.

    @property
    def results(self) -> str:
        """Folder below which everything is written."""
        return self.config.results

    @cached_property
    def values(self) -> dict[str, Any]:
        """The configuration with its defaults as plain values, for params."""
        return self.config.model_dump(mode="json")

    def value(self, path: str) -> Any:
        """Plain value at a path such as ``imager/n_pixels``, or a function of the wildcards that the path names."""
        if "{" not in path:
            return self._value_at(path)
        return lambda wildcards: self._value_at(path.format_map(dict(wildcards.items())))

    def _value_at(self, path: str) -> Any:
        value: Any = self.values
        for key in path.split("/"):
            value = value[int(key) if isinstance(value, list) else key]
        return value

    @cached_property
    def reconstructions(self) -> Reconstructions:
        """The acquisitions of the user, and the files of their reconstructions."""
        return Reconstructions(self.config)

    @property
    def copied(self) -> list[str]:
        """Names of networks whose weights are those of another model."""
        return [name for name, network in self.config.networks.items() if network.weights != "trained"]

    @property
    def trained(self) -> list[str]:
        """Names of networks and seed replicates that are trained."""
        return [name for name in self.networks if name not in self.copied]

    @property
    def networks(self) -> list[str]:
        """Names of all networks, seed replicates included."""
        return [*self.config.trainings]

    @property
    def methods(self) -> list[str]:
        """Names of all that is scored: networks, classical methods and entries of the benchmark."""
        return [*self.networks, *self.config.baselines, *self.config.benchmark_entries]

    def network(self, name: str) -> NetworkConfig:
        """Configuration of a network or of a seed replicate."""
        return self.config.trainings[name]

    def training_dataset(self, network: str) -> DatasetConfig:
        """Configuration of the dataset that a network is trained on."""
        return self.config.datasets[self.network(network).dataset]

    def datasets(self, *scenes: str) -> list[str]:
        """Names of the synthetic datasets with one of these scenes; without any, of those from MATLAB files."""
        datasets = self.config.datasets.items()
        return [name for name, data in datasets if (data.scene in scenes if data.is_synthetic else not scenes)]

    def shown_dataset(self, figure: str) -> str:
        """Name of the dataset that a figure of the paper shows."""
        return self.value(f"figures/{figure}/dataset")

    def if_synthetic(self, key: str, dataset: str) -> dict[str, Any] | None:
        """Plain values of a key that holds for synthetic datasets."""
        return self.value(key) if self.config.datasets[dataset].is_synthetic else None

    def measuring(self) -> dict[str, Any]:
        """Params of all that simulates measurements."""
        values = {key: self.values[key] for key in ("imager", "specimen", "illumination", "sensor")}
        return {**values, "psf_width_relative_sd": self.config.psf.width_relative_sd}

    def inference(self, network: str) -> dict[str, Any]:
        """Options of `load_model` for all that applies a network."""
        averages, compute = self.network(network).average_symmetries, self.config.compute
        return {
            "device": compute.device,
            "precision": compute.precision,
            "average_symmetries": averages,
            "sensor_separation_um": self.config.imager.sensor_separation_um,
        }

    def kernel_grid(self) -> dict[str, Any]:
        """Params of all that makes a point-spread function: the depths and pixels of its kernels."""
        psf, imager = self.config.psf, self.config.imager
        return {
            "depth_range_um": list(psf.depth_range_um),
            "depth_step_um": psf.depth_step_um,
            "n_pixels": imager.n_pixels,
            "pixel_pitch_um": imager.pixel_pitch_um,
        }

    # Code and logs.

    def studies(self) -> list[str]:
        """Names of the studies that add rules: folders of `workflow/studies` with a Snakefile."""
        return sorted(path.parent.name for path in self.workflow.glob("studies/*/Snakefile"))

    def script(self, name: str) -> Path:
        """The script `name` of the core or of the study."""
        folder = self.workflow / "studies" / self.study if self.study else self.workflow / "scripts"
        return folder / f"{name}.py"

    def code(self, name: str) -> str:
        """Digest of the code behind a script: as a param, an edit there runs the rule again."""
        return code_digest(self.script(name), self.config.plugins)

    def log(self, rule: str, *wildcards: str) -> str:
        """Log of a rule, or of its job with these wildcards."""
        return f"{self.results}/logs/{_job(rule, wildcards)}.log"

    def benchmark(self, rule: str, *wildcards: str) -> str:
        """Time and memory of a rule, or of its job with these wildcards."""
        return f"{self.results}/benchmarks/{_job(rule, wildcards)}.tsv"

    # Files of the point-spread function, the data and the models.

    @property
    def psf(self) -> str:
        """The point-spread function that all else uses."""
        return self.psf_file(f"{self.config.psf.source}.h5")

    def psf_file(self, name: str) -> str:
        """A file of the calibration."""
        return f"{self.results}/psf/{name}"

    def scan_file(self, key: str, suffix: str) -> str:
        """A file of the scan: the user's, or the simulated one."""
        path = getattr(self.config.psf.scan, key)
        return self.psf_file(f"simulated_scan.{suffix}") if path == "simulated" else path

    def measured_psf(self) -> dict[str, str]:
        """What the calibration measured, for its figure; nothing where the PSF does not come from a scan."""
        if self.config.psf.source != "scan":
            return {}
        return {name: self.psf_file(f"scan_{name}.csv") for name in ("profiles", "widths")}

    def shards(self, dataset: str, split: str) -> list[str]:
        """The shards of one split of a dataset; one from .mat files has a shard for each file."""
        described = self.config.datasets[dataset]
        if described.scene == "slides":
            n_shards = 1
        else:
            own = getattr(self.config.shards, split)
            n_shards = own if described.is_synthetic else len(getattr(described.source, split))
        return [self.shard(dataset, split, shard) for shard in range(n_shards)]

    def shard(self, dataset: str = "{dataset}", split: str = "{split}", shard: int | str = "{shard}") -> str:
        """A shard of a dataset."""
        return f"{self.results}/data/{dataset}/{split}-{shard}.h5"

    @property
    def scene_layers(self) -> str:
        """Statistics of each synthetic layer."""
        return f"{self.results}/data/scene_layers.csv"

    def all_shards(self) -> list[str]:
        """Every shard of every dataset: of all splits if a method is trained or tuned on it, else of the test split."""
        trained = [self.network(name) for name in self.trained]
        needed = {method.dataset for method in (*trained, *self.config.baselines.values())}
        pretraining = self.config.pretraining
        if pretraining.weights == "synthetic" and any(network.starts_pretrained for network in trained):
            needed.add(pretraining.dataset)
        return [
            path
            for name in self.config.datasets
            for split in (SPLITS if name in needed else ("test",))
            for path in self.shards(name, split)
        ]

    def test_shards(self, methods: Iterable[str]) -> list[str]:
        """The shards of the test splits of all datasets that some methods are tested on."""
        return [path for name in self.test_datasets(methods) for path in self.shards(name, "test")]

    def training_shards(self, split: str) -> Callable[[Wildcards], list[str]]:
        """Input function: the shards of a split of the dataset that a network is trained on."""
        return lambda wildcards: self.shards(self.network(wildcards.network).dataset, split)

    def mat_file(self, wildcards: Wildcards) -> str:
        """The MATLAB file behind one shard."""
        return getattr(self.config.datasets[wildcards.dataset].source, wildcards.split)[int(wildcards.shard)]

    def n_samples(self, dataset: str, split: str) -> int:
        """Number of samples in a split of a synthetic dataset; a sequence of a moving cluster has one per layer."""
        described = self.config.datasets[dataset]
        if described.scene == "moving":
            return self.config.n_samples.sequences * described.n_layers
        return getattr(self.config.n_samples, split)

    def dataset_values(self, dataset: str) -> dict[str, Any]:
        """Plain values of a dataset without its MATLAB files, which are inputs: other test files change no training."""
        return {**self.values["datasets"][dataset], "source": "synthetic"}

    def dataset_config(self, wildcards: Wildcards) -> dict[str, Any]:
        """Plain values of the dataset of a job."""
        return self.dataset_values(wildcards.dataset)

    def appearances(self, wildcards: Wildcards) -> list[dict[str, Any]]:
        """Plain values of the appearances of a dataset's layers."""
        return [self.values["appearances"][name] for name in self.config.datasets[wildcards.dataset].appearance]

    def appearance_shares(self, wildcards: Wildcards) -> list[float]:
        """Shares of the appearances among the samples of the dataset of a network."""
        return [*self.config.datasets[self.network(wildcards.network).dataset].appearance.values()]

    def model_files(self, network: str) -> ModelFiles:
        """The files of a trained model."""
        return ModelFiles.in_folder(f"{self.results}/models", network)

    def released_files(self, network: str) -> ModelFiles:
        """The files of a model that is packed for release."""
        return ModelFiles.in_folder(f"{self.results}/release", network)

    def model(self, network: str = "{network}", *more: str) -> dict[str, str]:
        """Description and weights of a model, and `more` of its files, as inputs or outputs."""
        files = self.model_files(network)
        return {"model": str(files.description)} | {kind: str(getattr(files, kind)) for kind in ("weights", *more)}

    def curves(self, networks: Iterable[str]) -> list[str]:
        """The curves of some trainings."""
        return [str(self.model_files(name).curves) for name in networks]

    def model_source(self, wildcards: Wildcards) -> ModelFiles:
        """The files of the model that takes the place of a training."""
        return ModelFiles(Path(self.config.networks[wildcards.network].weights))

    def expected_model(self, wildcards: Wildcards) -> dict[str, Any]:
        """What the description of a model must say for it to take the place of a training."""
        network, dataset = self.network(wildcards.network), self.training_dataset(wildcards.network)
        expected = {
            "task": network.task,
            "in_channels": dataset.n_sensors,
            "n_layers": dataset.n_layers,
            "n_pixels": self.config.imager.n_pixels,
        }
        if network.spec.kind is not OutputKind.CLASS_PROBABILITIES:
            return expected
        expected["classes_um"] = [*dataset.depth_classes_um]
        # With two sensors, all distances scale with their separation: its classes would lie at other depths.
        separation = {"sensor_separation_um": self.config.imager.sensor_separation_um}
        return expected | (separation if dataset.n_sensors > 1 else {})

    def recalibration(self, network: str) -> list[str]:
        """Recalibration of a network; that of a copied model lies beside its source, or there is none."""
        weights = self.network(network).weights
        if weights == "trained":
            return [str(self.model_files(network).recalibration)]
        return [str(path) for path in [ModelFiles(Path(weights)).recalibration] if path.exists()]

    # Trainings.

    def training_run(self, wildcards: Wildcards) -> dict[str, Any]:
        """The training of a network or of a seed replicate, as a param."""
        name, network = wildcards.network, self.network(wildcards.network)
        replicate = self.config.seed_replicates.by_name.get(name)
        seed = replicate.seed if replicate else self.config.seed
        return self._run(name, network, network.task, network.architecture.model_dump(mode="json"), seed)

    def pretraining_run(self, wildcards: Wildcards) -> dict[str, Any]:
        """The training of the encoder, whose stem is that of the networks that start from it."""
        strides = {
            network.architecture.stem_stride
            for network in self.config.networks.values()
            if isinstance(network.architecture, ResNetCnnConfig) and network.starts_pretrained
        }
        if len(strides) != 1:
            raise InputError("no network starts from the pretrained encoder; expected one with encoder: pretrained.")
        encoder = EncoderConfig(stem_stride=strides.pop()).model_dump(mode="json")
        return self._run("encoder", self.config.pretraining, DEPTH_COVERAGE.name, encoder, self.config.seed)

    def _run(self, name: str, method: Any, task: str, architecture: dict[str, Any], seed: int) -> dict[str, Any]:
        """What decides the weights of a network but for its inputs, as `foci3d.learning.run.TrainingRun` takes it."""
        return {
            "network": name,
            "dataset_name": method.dataset,
            "task": task,
            "architecture": architecture,
            "training": method.training.model_dump(mode="json"),
            "dataset": self.dataset_values(method.dataset),
            "imager": self.values["imager"],
            "device": self.config.compute.device,
            "precision": self.config.compute.precision,
            "seed": seed,
        }

    def encoder_weights(self, wildcards: Wildcards) -> list[str]:
        """The weights that a network starts from, if any."""
        if not self.network(wildcards.network).starts_pretrained:
            return []
        weights = self.config.pretraining.weights
        return [str(self.model_files("encoder").weights) if weights == "synthetic" else weights]

    def initial_model(self, wildcards: Wildcards) -> list[str]:
        """Description and weights of the model that a training starts from, if any."""
        path = self.network(wildcards.network).initial_model
        return [path, str(ModelFiles(Path(path)).weights)] if path else []

    # Predictions, scores, figures and tables.

    def predictions(self, network: str = "{network}", dataset: str = "{dataset}") -> str:
        """Predictions of a method for the test split of a dataset."""
        return f"{self.results}/predictions/{network}/{dataset}.h5"

    def scores(self, kind: str, network: str = "{network}", dataset: str = "{dataset}") -> str:
        """A table of the scores of a method on a dataset: samples, summary or roc."""
        return f"{self.results}/scores/{network}/{dataset}/{kind}.csv"

    def tests(self, methods: Iterable[str]) -> list[tuple[str, str]]:
        """Networks or classical methods, each with each of its test datasets; a seed replicate with its own alone."""
        replicates = self.config.seed_replicates.by_name
        known = {name: self.config.baselines.get(name) or self.network(name) for name in methods}
        return [
            (name, dataset)
            for name, method in known.items()
            for dataset in ([method.dataset] if name in replicates else method.test_datasets)
        ]

    def test_datasets(self, methods: Iterable[str]) -> list[str]:
        """Names of all datasets that some methods are tested on."""
        return [*dict.fromkeys(dataset for _, dataset in self.tests(methods))]

    def test_files(self, methods: Iterable[str], *scores: str) -> dict[str, list[str]]:
        """Predictions and kinds of `scores` of all `tests`, in their order, as outputs."""
        tests = self.tests(methods)
        predictions = {"predictions": [self.predictions(*test) for test in tests]}
        return predictions | {kind: [self.scores(kind, *test) for test in tests] for kind in scores}

    def score_kinds(self, network: str) -> list[str]:
        """Kinds of scores of a network: ROC curves are those of probabilities of cells."""
        has_roc = self.network(network).spec.kind is OutputKind.CELL_PROBABILITIES
        return ["samples", "summary", *(["roc"] if has_roc else [])]

    def depth_ranges_um(self, datasets: Iterable[str]) -> dict[str, Any]:
        """Depth range of some datasets by name [um]."""
        return {name: self.value(f"datasets/{name}/depth_range_um") for name in datasets}

    def summaries(self, methods: Iterable[str], among: Iterable[str] | None = None) -> list[str]:
        """The summary of each network or classical method on each of its test datasets that is `among` some."""
        return [self.scores("summary", *test) for test in self.tests(methods) if among is None or test[1] in among]

    def own_summaries(self, networks: Iterable[str]) -> list[str]:
        """The summary of each network on the dataset that it is trained on."""
        return [self.scores("summary", name, self.network(name).dataset) for name in networks]

    def depth_map_tests(self) -> list[tuple[str, str]]:
        """Networks that predict depth maps of the dataset of Fig. S1, with this dataset."""
        dataset = self.config.figures.figS1.dataset
        tested = {name: network for name, network in self.config.networks.items() if dataset in network.test_datasets}
        return [(name, dataset) for name, network in tested.items() if network.spec.kind is OutputKind.DEPTH_MAP]

    def trust_tables(self) -> dict[str, str]:
        """The numbers behind the figures of a network's reliability."""
        names = {"reliability": "reliability", "risk": "risk_coverage", "scores": "scores"}
        return {name: f"{self.results}/trust/{file}.csv" for name, file in names.items()}

    def resource(self, name: str) -> str:
        """A small tracked input, as a path from the working directory, which stays the same in a project that moves."""
        return os.path.relpath(self.workflow.parent / "resources" / name)

    @property
    def environment(self) -> str:
        """The conda environment of all rules."""
        return str(self.workflow.parent / "envs" / "foci3d.yaml")

    def figure(self, name: str, suffix: str = "png") -> str:
        """A figure or panel."""
        return f"{self.results}/figures/{name}.{suffix}"

    def table(self, name: str, suffix: str = "csv") -> str:
        """A table."""
        return f"{self.results}/tables/{name}.{suffix}"

    def caption(self, name: str) -> str:
        """Caption of a figure or a table, in the folder of the study or in that of its kind."""
        if self.study:
            return str(self.workflow / "studies" / self.study / f"{name}.rst")
        return str(next(self.workflow.glob(f"report/**/{name}.rst")))

    def reported(self, kind: str) -> list[str]:
        """Names of the core's `figures`, panels included, or `tables`: each has a caption."""
        return sorted(path.stem for path in self.workflow.glob(f"report/{kind}/*.rst"))

    def shown(self, figure: str, *kinds: str) -> dict[str, str]:
        """Files of the network and dataset that a figure of the paper shows: predictions, or a kind of scores."""
        shown = getattr(self.config.figures, figure)
        test = shown.network, shown.dataset
        return {kind: self.predictions(*test) if kind == "predictions" else self.scores(kind, *test) for kind in kinds}

    def beside(self, figure: str) -> dict[str, str]:
        """Predictions of the network of `reconstruct`, if it is tested on what a figure shows of another network."""
        shown, name = getattr(self.config.figures, figure), self.config.reconstruct.network
        is_other = name != shown.network and shown.dataset in self.network(name).test_datasets
        return {"beside": self.predictions(name, shown.dataset)} if is_other else {}


def _job(rule: str, wildcards: tuple[str, ...]) -> str:
    return "/".join([rule, *(["-".join(f"{{{name}}}" for name in wildcards)] if wildcards else [])])
