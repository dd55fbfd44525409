import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from foci3d.config import SCHEMA, check_config
from foci3d.errors import InputError

CONFIG = Path(__file__).parents[2] / "config"


def merged(base: Any, overlay: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(overlay, dict):
        return copy.deepcopy(overlay)
    return {**base, **{key: merged(base.get(key), value) for key, value in overlay.items()}}


def check(overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The sentence about an overlay of config.yaml that lies at mine.yaml."""
    base = yaml.safe_load((CONFIG / "config.yaml").read_text())
    monkeypatch.chdir(CONFIG.parent)
    file = tmp_path / "mine.yaml"
    file.write_text(overlay)
    with pytest.raises(InputError) as error:
        check_config(merged(base, yaml.safe_load(overlay)), ["config/config.yaml", file])
    sentence = str(error.value)
    assert sentence.count("\n") == 0
    return sentence


@pytest.mark.parametrize("overlays", [[], ["quick"], ["smoke"], ["tissue"], ["quick", "tissue"]])
def test_configurations_are_valid(overlays: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIG.parent)
    files = [CONFIG / f"{name}.yaml" for name in ["config", *overlays]]
    config: Any = {}
    for file in files:
        config = merged(config, yaml.safe_load(file.read_text()))
    check_config(config, files)


@pytest.mark.parametrize(
    ("overlay", "parts"),
    [
        ("size: {trian: 5}", ["mine.yaml", "no key size.trian", "did you mean train?"]),
        ("sizes: {train: 5}", ["no key sizes", "did you mean size?"]),
        ("imager: {colour: 3}", ["no key imager.colour", "pixels, pixel_pitch_um, sensor_separation_um"]),
        ("size: {train: many}", ["mine.yaml", 'size.train is "many"', "an integer of at least 1"]),
        ("size: {train: 64.0}", ["size.train is 64.0", "an integer"]),
        ("size: {train: 0}", ["size.train is 0", "at least 1"]),
        ("size: {train: true}", ["size.train is true", "an integer"]),
        ("size: 5", ["size is 5", "a mapping of keys"]),
        ("limits: {power_snr: 1e4}", ['limits.power_snr is "1e4"', "decimal point"]),
        ("limits: {power_snr: .inf}", ["limits.power_snr is Infinity", "a number above 0"]),
        ("compute: {device: gpu}", ['compute.device is "gpu"', "one of auto, cpu, cuda"]),
        ("nets: {a-b: {}}", ["the name nets.a-b", "letters, digits and underscores"]),
        ("nets: {mine: {set: depth}}", ["mine.yaml", "the key nets.mine.tests is missing", "a list"]),
        ("nets: {depth_cnn: {architecture: {name: unet}}}", ["architecture.name", "cnn_fc, conv_deconv, resnet_cnn"]),
        ("nets: {depth_cnn: {architecture: {name: conv_deconv}}}", ["no key nets.depth_cnn.architecture.hidden"]),
        ("nets: {deblur_cnn: {architecture: {strides: [1, 6, 1]}}}", ["strides", "is 6", "one of 1, 2, 3, 4"]),
        ("sets: {depth: {depth_range_um: [1, 2, 3]}}", ["a list of 2 values"]),
        ("sets: {depth: {source: {train: [a.mat]}}}", ["sets.depth.source.validation is missing"]),
        ("results: a b", ["results", "without spaces"]),
    ],
)
def test_mistake_in_a_value(overlay: str, parts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = check(overlay, tmp_path, monkeypatch)
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize(
    ("overlay", "parts"),
    [
        ("sets: {depth: {depth_range_um: [50, 2500]}}", ["mine.yaml: sets.depth.depth_range_um", "[0, 2000]"]),
        ("sets: {stack2: {depth_range_um: [0, 1200]}}", ["[-200, 1000] from sensor B"]),
        ("sets: {stack2: {depth_range_um: [900, 100]}}", ["lower value first"]),
        ("sets: {stack2: {minimum_gap_um: 400}}", ["sets.stack2.minimum_gap_um is 400", "at most 333.333"]),
        ("sets: {moving: {layers: 1}}", ["sets.moving.layers is 1", "at least 2"]),
        ("sets: {stack2: {source: {train: [], validation: [], test: [no.mat]}}}", ["source.test[0] is no.mat"]),
        ("scene: {cells: [4, 2]}", ["scene.cells", "lower value first"]),
        ("shards: {train: 20000}", ["shards.train is 20000", "at most size.train, 10000"]),
        ("shards: {test: 500}", ["shards.test is 500", "at most size.groups, 100"]),
        ("psf: {from: file}", ["config/config.yaml: psf.file is none", "HDF5"]),
        ("psf: {scan: {depths: x.csv}}", ["psf.scan.stack is simulated", "both"]),
        ("psf: {scan: {stack: a.tif, depths: x.csv}}", ["psf.scan.stack is a.tif, and there is no such file"]),
        ("nets: {depth_cnn: {set: dept}}", ["nets.depth_cnn.set is dept", "one of depth, deblur"]),
        ("nets: {depth_cnn: {tests: [dept]}}", ["nets.depth_cnn.tests[0] is dept"]),
        ("nets: {stack1_cnn: {tests: [stack2]}}", ["tests[0] is stack2 with sensors AB", "sensors A as stack1 has"]),
        ("nets: {depth_cnn: {task: masks}}", ["nets.depth_cnn.task is masks", "more than one layer"]),
        ("nets: {deblur_cnn: {set: stack1}}", ["nets.deblur_cnn.task is image", "a set of one layer"]),
        ("nets: {depth_cnn: {set: deblur}}", ["nets.depth_cnn.task is depth_class", "depth_step_um of set deblur"]),
        ("nets: {nonoverlap_cnn: {set: stack1}}", ["task is depth_map", "overlap of set stack1 to remove"]),
        ("nets: {stack2_cnn: {set: moving}}", ["nets.stack2_cnn.set is moving", "scene is layers"]),
        ("nets: {depth_cnn: {training: {batch: 20000}}}", ["training.batch is 20000", "at most size.train, 10000"]),
        (
            "nets: {depth_cnn: {training: {steps: 50}}}",
            ["nets.depth_cnn.training.validate_every is", "at most training.steps, 50"],
        ),
        (
            "nets: {stack1_cnn: {architecture: {strides: [1, 2]}}}",
            ["nets.stack1_cnn.architecture.strides is [1, 2]", "one for each of the 3 widths"],
        ),
        ("repeats: {nets: [unet]}", ["repeats.nets[0] is unet", "expected one of depth_cnn, deblur_cnn"]),
        ("repeats: {nets: [depth_cnn]}", ["repeats.nets[0] is depth_cnn", "no error by layer"]),
        ("repeats: {seeds: [1, 2022]}", ["repeats.seeds is [1, 2022]", "other seeds than the root"]),
        ("tissue: {motion_um: 50}", ["nets.depth_cnn.training.remix is true", "expected false where tissue"]),
        ("pretraining: {weights: no.pt}", ["pretraining.weights is no.pt"]),
        ("pretraining: {set: stack1}", ["nets.stack2_resnet.architecture.encoder", "sensors A as pretraining.set"]),
        ("figures: {fig4: {net: stack_cnn}}", ["figures.fig4.net is stack_cnn", "one of depth_cnn"]),
        ("figures: {fig4: {set: stack1}}", ["figures.fig4.set is stack1", "one of stack2, moving, slides"]),
        ("figures: {fig4: {net: depth_cnn, set: depth}}", ["depth_cnn with task depth_class", "task masks"]),
        ("figures: {fig5: {set: stack2}}", ["stack2 with scene layers", "scene moving"]),
        (
            "baselines: {stack2_wiener: {parameters: {iterations: [3]}}}",
            ["stack2_wiener.parameters", "for layered_wiener"],
        ),
        ("baselines: {deblur_wiener: {set: stack2}}", ["baselines.deblur_wiener.set is stack2", "a set of one layer"]),
        ("reconstruct: {net: depth_cnn}", ["reconstruct.net is depth_cnn", "one of stack1_cnn"]),
        ("reconstruct: {samples: no.tsv}", ["reconstruct.samples is no.tsv, and there is no such file"]),
    ],
)
def test_entries_that_do_not_fit(
    overlay: str, parts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = check(overlay, tmp_path, monkeypatch)
    for part in parts:
        assert part in sentence


def test_value_from_the_command_line() -> None:
    config = yaml.safe_load((CONFIG / "config.yaml").read_text())
    config["seed"] = "abc"
    with pytest.raises(InputError, match=r"^--config: seed is"):
        check_config(config, [CONFIG / "config.yaml"])


def test_schema_requires_every_key_and_knows_no_other() -> None:
    def objects(node: Any) -> list[Any]:
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
        found = [node] if isinstance(node, dict) and isinstance(node.get("properties"), dict) else []
        return found + [item for part in inner for item in objects(part)]

    schema = yaml.safe_load(SCHEMA.read_text())
    # Which parameters there are depends on the method: consistency checks them.
    del schema["$defs"]["baseline"]["properties"]["parameters"]["additionalProperties"]
    closed = [node for node in objects(schema) if node.get("additionalProperties") is False]
    assert len(closed) > 20
    for node in closed:
        assert sorted(node["required"]) == sorted(node["properties"])
        assert "default" not in node
