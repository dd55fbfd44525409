# Checks the configuration and names the files that rules depend on. No rules here.
# Reads config and the table of samples that it names. CONFIG is `config` as a typed model; both hold all defaults.

import os
import re
import sys
from pathlib import Path

import yaml

from foci3d.config.architectures import EncoderConfig
from foci3d.config.samples import read_samples
from foci3d.config.tasks import DEPTH_COVERAGE, OutputKind
from foci3d.config.validation import check_config
from foci3d.errors import InputError
from foci3d.io.digests import digest
from foci3d.workflow.provenance import code_digest

try:
    overlays = workflow.overwrite_configfiles
    CONFIG = check_config(config, [*(file for file in workflow.configfiles if file not in overlays), *overlays])
    config.update(CONFIG.model_dump(mode="json"))  # with defaults, for the rules
    reconstructing = CONFIG.datasets[CONFIG.networks[CONFIG.reconstruct.network].dataset]
    ACQUISITIONS = read_samples(CONFIG.reconstruct.samples, CONFIG.imager, reconstructing.sensors)
except InputError as error:
    sys.exit(str(error))

RESULTS = CONFIG.results
DATASETS = CONFIG.datasets
NETWORKS = CONFIG.networks
COPIED_NETWORKS = [name for name, network in NETWORKS.items() if network.weights != "trained"]
SEED_REPLICATES = CONFIG.seed_replicates.by_name
BASELINES = CONFIG.baselines
BENCHMARK_ENTRIES = CONFIG.benchmark_entries
FROZEN_DATASETS = yaml.safe_load(Path(workflow.source_path("../../resources/benchmark.yaml")).read_text())
BENCHMARK_DATASETS = [name for name in FROZEN_DATASETS if name in DATASETS]
SPLITS = ["train", "validation", "test"]
TRAINED_DATASETS = {method.dataset for method in [*NETWORKS.values(), *BASELINES.values(), CONFIG.pretraining]}
PSF = f"{RESULTS}/psf/{CONFIG.psf.source}.h5"
FIGURES = "fig2a fig2b fig3a fig3b fig4a fig4b fig4c fig5a fig5b fig6a fig6b fig7 figS1 figS2 figS3 figS4".split()
FIGURES += ["fig_reliability", "fig_risk_coverage", "fig_ood"]
FIGURES += ["fig_psf", "fig_scenes", "fig_training"]
TABLES = ["table1", "tableS1", "scorecard", "baselines", "trust", "coverage"]


def wildcard_regex(names):
    """Regular expression that matches one of `names`, and nothing where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def datasets_with(**values):
    """Names of the datasets with all these values."""
    return [name for name, dataset in DATASETS.items() if all(getattr(dataset, key) == values[key] for key in values)]


def code_of(rule):
    """Digest of the library code behind the script of `rule`: as a param, an edit there re-runs the rule."""
    return code_digest(workflow.source_path(f"../scripts/{rule}.py"), CONFIG.plugins)


def shards(name, split):
    """The shards of one split of a dataset; one from .mat files has a shard for each file."""
    dataset = DATASETS[name]
    if dataset.scene == "slides":
        n_shards = 1
    else:
        n_shards = getattr(CONFIG.shards, split) if dataset.is_synthetic else len(getattr(dataset.source, split))
    return [f"{RESULTS}/data/{name}/{split}-{shard}.h5" for shard in range(n_shards)]


def all_shards():
    """Every shard of every dataset: of all splits where something is trained or tuned on it, else of the test split."""
    return [
        path
        for name in DATASETS
        for split in SPLITS
        if split == "test" or name in TRAINED_DATASETS
        for path in shards(name, split)
    ]


def n_split_samples(wildcards):
    """Number of samples in a split of a synthetic dataset; a sequence of a moving cluster has one for each layer."""
    dataset = DATASETS[wildcards.dataset]
    if dataset.scene == "moving":
        return CONFIG.n_samples.sequences * dataset.n_layers
    return getattr(CONFIG.n_samples, wildcards.split)


def content_of(name):
    """Plain values of a dataset without its MATLAB files, which are inputs: other test files change no training."""
    return {**DATASETS[name].model_dump(mode="json"), "source": "synthetic"}


def appearance(wildcards):
    """Plain values of the appearance of a dataset's layers."""
    return config["appearances"][DATASETS[wildcards.dataset].appearance]


def dataset_config(wildcards):
    """Plain values of the dataset that a shard belongs to."""
    return content_of(wildcards.dataset)


def get_network(wildcards):
    """Configuration of a network or of a seed replicate."""
    name = wildcards.network
    return NETWORKS[SEED_REPLICATES[name].network if name in SEED_REPLICATES else name]


def training_run(name, method, task, architecture, seed):
    """What decides the weights of a network but for its inputs, as `foci3d.learning.run.TrainingRun` takes it."""
    return {
        "network": name,
        "dataset_name": method.dataset,
        "task": task,
        "architecture": architecture.model_dump(mode="json"),
        "training": method.training.model_dump(mode="json"),
        "dataset": content_of(method.dataset),
        "imager": config["imager"],
        "device": CONFIG.compute.device,
        "precision": CONFIG.compute.precision,
        "seed": seed,
    }


def network_run(wildcards):
    """The training of a network or of a seed replicate."""
    name, network = wildcards.network, get_network(wildcards)
    seed = SEED_REPLICATES[name].seed if name in SEED_REPLICATES else CONFIG.seed
    return training_run(name, network, network.task, network.architecture, seed)


def pretraining_run():
    """The training of the encoder; the networks that start from it have the same stem."""
    strides = [network.architecture.stem_stride for network in NETWORKS.values() if network.starts_pretrained]
    encoder = EncoderConfig(stem_stride=max(strides, default=2))
    return training_run("encoder", CONFIG.pretraining, DEPTH_COVERAGE.name, encoder, CONFIG.seed)


def encoder_weights(wildcards):
    """The weights that a network starts from, if any."""
    if not get_network(wildcards).starts_pretrained:
        return []
    weights = CONFIG.pretraining.weights
    return [f"{RESULTS}/models/encoder.safetensors" if weights == "synthetic" else weights]


def figure_inputs(figure, *kinds):
    """Files of the network and dataset that a figure shows, by kind: predictions, samples, summary, roc, model, weights."""
    shown = getattr(CONFIG.figures, figure)
    network, name = shown.network, shown.dataset
    files = {
        "predictions": f"{RESULTS}/predictions/{network}/{name}.h5",
        "samples": f"{RESULTS}/scores/{network}/{name}/samples.csv",
        "summary": f"{RESULTS}/scores/{network}/{name}/summary.csv",
        "roc": f"{RESULTS}/scores/{network}/{name}/roc.csv",
        "model": f"{RESULTS}/models/{network}.json",
        "weights": f"{RESULTS}/models/{network}.safetensors",
    }
    return {kind: files[kind] for kind in kinds}


def acquisition_files(wildcards):
    """The images of an acquisition, dark and flat ones included."""
    return ACQUISITIONS[wildcards.sample].files


def acquisition_row(wildcards):
    """Plain values of an acquisition without its description, which changes no result."""
    return ACQUISITIONS[wildcards.sample].model_dump(exclude={"description"})


def pixel_pitch_um(wildcards):
    """Pixel pitch of an acquisition."""
    return ACQUISITIONS[wildcards.sample].pixel_pitch_um


def model_recalibration(network):
    """Recalibration file of a network; that of a copied model lies beside its source, or there is none."""
    source = NETWORKS[network].weights
    if network not in COPIED_NETWORKS:
        return [f"{RESULTS}/models/{network}.recalibration.json"]
    return [path for path in [f"{source.removesuffix('.json')}.recalibration.json"] if Path(path).exists()]


def release_files():
    """The card of each network for many imagers, and the recalibration of those that predict masks."""
    released = {name: network for name, network in NETWORKS.items() if network.training.imagers}
    cards = [f"{RESULTS}/release/{name}.md" for name in released]
    masking = [name for name, network in released.items() if network.spec.predicts_cells]
    return [*cards, *(f"{RESULTS}/release/{name}.recalibration.json" for name in masking)]


def scan_file(key, suffix):
    """A file of the scan: the user's, or the simulated one."""
    path = getattr(CONFIG.psf.scan, key)
    return f"{RESULTS}/psf/simulated_scan.{suffix}" if path == "simulated" else path


def measured_psf():
    """What the calibration measured, for its figure; nothing where the PSF does not come from a scan."""
    if CONFIG.psf.source != "scan":
        return {}
    return {name: f"{RESULTS}/psf/scan_{name}.csv" for name in ("profiles", "widths")}


def summaries(methods, among=DATASETS):
    """The summary of each network or baseline on each of its test datasets that is `among` some."""
    return [
        f"{RESULTS}/scores/{name}/{dataset}/summary.csv"
        for name, method in methods.items()
        for dataset in method.test_datasets
        if dataset in among
    ]


def depth_map_networks():
    """Networks that predict depth maps of the dataset of Fig. S1."""
    dataset = CONFIG.figures.figS1.dataset
    return [
        name
        for name, network in NETWORKS.items()
        if network.spec.kind is OutputKind.DEPTH_MAP and dataset in network.test_datasets
    ]


def entry_summaries():
    """The summary of each entry of the benchmark on each of its datasets."""
    return [
        f"{RESULTS}/scores/{name}/{dataset}/summary.csv"
        for name, files in BENCHMARK_ENTRIES.items()
        for dataset in files
    ]


def entry_file(wildcards):
    """The predictions file of an entry of the benchmark."""
    return BENCHMARK_ENTRIES[wildcards.network][wildcards.dataset]


def replicate_summaries():
    """The summary of each network with seed replicates, and of these, on the dataset that it is trained on."""
    networks = {name: name for name in CONFIG.seed_replicates.networks}
    networks |= {name: replicate.network for name, replicate in SEED_REPLICATES.items()}
    return [f"{RESULTS}/scores/{name}/{NETWORKS[network].dataset}/summary.csv" for name, network in networks.items()]


def mat_file(wildcards):
    """The MATLAB file behind one shard."""
    return getattr(DATASETS[wildcards.dataset].source, wildcards.split)[int(wildcards.shard)]


def training_shards(split):
    """Input function: the shards of a split of the dataset that a network is trained on."""
    return lambda wildcards: shards(get_network(wildcards).dataset, split)


def baseline_shards(wildcards):
    """The validation shards of the dataset that a baseline is tuned on."""
    return shards(BASELINES[wildcards.network].dataset, "validation")


def test_shards(wildcards):
    """The shards of the test split of a dataset."""
    return shards(wildcards.dataset, "test")


onstart:
    folder = next(path for path in [Path(RESULTS), *Path(RESULTS).absolute().parents] if path.exists())
    if not os.access(folder, os.W_OK):
        sys.exit(
            f"{folder}: cannot write; expected a folder for results, change its permissions or the key results."
        )


include: "figure_helpers.smk"
