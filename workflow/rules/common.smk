# Loads and checks the configuration; names the files that rules depend on. No rules here.
# Reads config and the table of samples that it names.

import re
import sys
from pathlib import Path

from foci3d.acquisitions import read_samples
from foci3d.config import check_config
from foci3d.errors import InputError
from foci3d.provenance import code_digest, digest

try:
    check_config(config, ["config/config.yaml", *workflow.overwrite_configfiles])
    ACQUISITIONS = read_samples(
        config["reconstruct"]["samples"],
        config["imager"],
        config["sets"][config["nets"][config["reconstruct"]["net"]]["set"]]["sensors"],
    )
except InputError as error:
    sys.exit(str(error))

RESULTS = config["results"]
NETS = config["nets"]
REPEATS = {
    f"{net}-{seed}": {**NETS[net], "seed": seed}
    for net in config["repeats"]["nets"]
    for seed in config["repeats"]["seeds"]
}
BASELINES = config["baselines"]
SETS = config["sets"]
SPLITS = ["train", "validation", "test"]
TRAINED_SETS = sorted({entry["set"] for entry in [*NETS.values(), *BASELINES.values(), config["pretraining"]]})
PSF = f"{RESULTS}/psf/{config['psf']['from']}.h5"
ENCODER = {
    "synthetic": f"{RESULTS}/models/encoder.safetensors",
}.get(config["pretraining"]["weights"], config["pretraining"]["weights"])
FIGURES = "fig2a fig2b fig3a fig3b fig4a fig4b fig4c fig5a fig5b fig6a fig6b fig7 figS1 figS2 figS3 figS4".split()
FIGURES += ["fig_psf", "fig_scenes", "fig_training"]
TABLES = ["table1", "tableS1", "scorecard", "baselines"]


def one_of(names):
    """Regular expression that matches one of `names`, and nothing where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def sets_with(**wanted):
    """Names of the sets whose entries have all these values."""
    return [name for name, entry in SETS.items() if wanted.items() <= entry.items()]


def code_of(rule):
    """Digest of the library code behind the script of `rule`: as a param, an edit there re-runs the rule."""
    return code_digest(Path(workflow.basedir, "workflow", "scripts", f"{rule}.py"))


def shards(name, split):
    """The shards of one split of a set; a set from .mat files has one for each file."""
    source = SETS[name]["source"]
    count = config["shards"][split] if source == "synthetic" else len(source[split])
    if SETS[name]["scene"] == "slides":
        count = 1
    return [f"{RESULTS}/data/{name}/{split}-{shard}.h5" for shard in range(count)]


def all_shards():
    """Every shard of every set: three splits of those that train, else the test."""
    return [
        path
        for name in SETS
        for split in SPLITS
        if split == "test" or name in TRAINED_SETS
        for path in shards(name, split)
    ]


def samples_in(wildcards):
    """Number of samples in a split of a synthetic set; a moving group has one for each layer."""
    entry = SETS[wildcards.set]
    if entry["scene"] == "moving":
        return config["size"]["groups"] * entry["layers"]
    return config["size"][wildcards.split]


def entry_of(wildcards):
    """The entry of a network, or of its repetition with another seed."""
    return {**NETS, **REPEATS}[wildcards.net]


def seed_of(wildcards):
    """The seed that a network is trained with."""
    return entry_of(wildcards).get("seed", config["seed"])


def encoder_of(wildcards):
    """The weights that a network starts from, if it starts from any."""
    return ENCODER if entry_of(wildcards)["architecture"].get("encoder") == "pretrained" else []


def shown_in(figure, *kinds):
    """Files of the network and set that a figure shows: predictions, samples, summary or roc, by name."""
    net, name = config["figures"][figure]["net"], config["figures"][figure]["set"]
    files = {
        "predictions": f"{RESULTS}/predictions/{net}/{name}.h5",
        "samples": f"{RESULTS}/scores/{net}/{name}/samples.csv",
        "summary": f"{RESULTS}/scores/{net}/{name}/summary.csv",
        "roc": f"{RESULTS}/scores/{net}/{name}/roc.csv",
        "model": f"{RESULTS}/models/{net}.json",
    }
    return {kind: files[kind] for kind in kinds}


def pictures_of(wildcards):
    """The pictures of one acquisition: sensor A's, and sensor B's where there is one."""
    row = ACQUISITIONS.loc[wildcards.sample]
    return [path for path in (row.sensor_a, row.sensor_b) if path]


def scan_file(key, suffix):
    """A file of the scan: the user's, or the simulated one."""
    path = config["psf"]["scan"][key]
    return f"{RESULTS}/psf/simulated_scan.{suffix}" if path == "simulated" else path


def measured_psf():
    """What a calibration measured, for its figure; nothing where the PSF does not come from a scan."""
    if config["psf"]["from"] != "scan":
        return {}
    return {name: f"{RESULTS}/psf/scan_{name}.csv" for name in ("profiles", "widths")}


def summaries(methods, among=SETS):
    """The summary of each network or baseline on each of its test sets, if it is among some."""
    return [
        f"{RESULTS}/scores/{net}/{name}/summary.csv"
        for net, entry in methods.items()
        for name in entry["tests"]
        if name in among
    ]


def repeated_summaries():
    """The summary of each network that is repeated, and of its repetitions, on the set that it is trained on."""
    repeated = {**{net: NETS[net] for net in config["repeats"]["nets"]}, **REPEATS}
    return [f"{RESULTS}/scores/{net}/{entry['set']}/summary.csv" for net, entry in repeated.items()]


def mat_file(wildcards):
    """The MATLAB file behind one shard."""
    return SETS[wildcards.set]["source"][wildcards.split][int(wildcards.shard)]


def training_shards(split):
    """Input function: the shards of a split of the set that a network is trained on."""
    return lambda wildcards: shards(entry_of(wildcards)["set"], split)


def baseline_shards(wildcards):
    """The validation shards of the set that the parameters of a baseline are chosen on."""
    return shards(BASELINES[wildcards.net]["set"], "validation")


def test_shards(wildcards):
    """The shards of the test split of a set."""
    return shards(wildcards.set, "test")


def trained_set(wildcards):
    """The entry of the set that a network is trained on."""
    return SETS[entry_of(wildcards)["set"]]


def pitch_of(wildcards):
    """Pixel pitch of an acquisition."""
    return float(ACQUISITIONS.loc[wildcards.sample, "pixel_pitch_um"])


def pretraining_architecture():
    """Stem of the encoder to pretrain: that of the networks which start from it."""
    encoded = [net["architecture"] for net in NETS.values() if net["architecture"].get("encoder") == "pretrained"]
    return {
        "name": "encoder",
        "stem_stride": encoded[0]["stem_stride"] if encoded else 2,
    }
