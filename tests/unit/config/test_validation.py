import copy
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from foci3d.config import validation
from foci3d.config.documents import merge, read_document
from foci3d.config.models import Config
from foci3d.config.validation import check_config, read_config
from foci3d.errors import InputError

CONFIG = Path(__file__).parents[3] / "config"
NOISE = "{noisy_share: 0.5, full_well_electrons: [1000, 10000], read_noise_electrons: [0, 20]}"
IMAGERS = (
    f"{NOISE[:-1]}, n_imagers: 2, fwhm_deg: [30, 40], standoff_um: [0, 50], linear_fill_factor: [0.8, 1], "
    "pixel_pitch_um: [50, 60], sensor_separation_um: [900, 1100]}"
)


@cache
def read_base() -> Any:
    return yaml.safe_load((CONFIG / "config.yaml").read_text())


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The configuration of the paper; the working directory is that of the project."""
    monkeypatch.chdir(CONFIG.parent)
    return copy.deepcopy(read_base())


def problems(base: Any, overlay: str, folder: Path) -> list[str]:
    """The lines about an overlay of config.yaml in the file mine.yaml."""
    file = folder / "mine.yaml"
    file.write_text(overlay)
    with pytest.raises(InputError) as error:
        check_config(merge(base, yaml.safe_load(overlay)), ["config/config.yaml", file])
    return str(error.value).splitlines()


def assert_reported(lines: list[str], parts: list[str]) -> None:
    """A line that begins with the place in mine.yaml has all parts."""
    assert [line for line in lines if "mine.yaml" in line.split(" ")[0] and all(part in line for part in parts)], lines


@pytest.mark.parametrize("overlays", [["quick", "tissue"], *([path.stem] for path in sorted(CONFIG.glob("*.yaml")))])
def test_configurations_are_valid(base: Any, overlays: list[str]) -> None:
    for name in overlays:
        base = merge(base, yaml.safe_load((CONFIG / f"{name}.yaml").read_text()))
    config = check_config(base, [])
    assert config.results == base["results"]
    assert Config.model_validate(config.model_dump()) == config


def test_the_example_of_the_readme_is_valid(base: Any) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", (CONFIG / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (example,) = [block for block in blocks if "deep_cnn" in block]
    config = check_config(merge(base, yaml.safe_load(example)), [])
    assert config.networks["deep_cnn"].dataset == "deep"


@pytest.mark.parametrize(
    ("overlay", "parts"),
    [
        ("n_samples: {trian: 5}", ["mine.yaml:1: there is no key n_samples.trian", "did you mean train?"]),
        ("n_sample: {train: 5}", ["no key n_sample", "did you mean n_samples?"]),
        ("imager: {colour: 3}", ["no key imager.colour", "n_pixels, pixel_pitch_um, sensor_separation_um"]),
        ("5: 3", ["no key 5", "expected one of results, seed"]),
        ("n_samples: {train: many}", ["mine.yaml:1", 'n_samples.train is "many"', "an integer of at least 1"]),
        ("n_samples: {train: 64.0}", ["n_samples.train is 64.0", "an integer"]),
        ("n_samples: {train: 0}", ["n_samples.train is 0", "at least 1"]),
        ("n_samples: {train: true}", ["n_samples.train is true", "an integer"]),
        ("n_samples: 5", ["n_samples is 5", "a mapping of keys"]),
        ("n_samples: {train: 2022-01-01}", ['n_samples.train is "2022-01-01"']),
        ("bounds: {power_snr: 1e4}", ['bounds.power_snr is "1e4"', "without quotes and with a decimal point"]),
        ("bounds: {power_snr: .inf}", ["bounds.power_snr is Infinity", "a number above 0"]),
        ("compute: {device: gpu}", ['compute.device is "gpu"', "one of auto, cpu, cuda"]),
        (
            "networks: {a-b: {}}",
            ["the name networks.a-b is not usable", "a letter, then up to 99 letters, digits and _"],
        ),
        (
            "networks: {mine: {dataset: depth}}",
            ["mine.yaml:1", "the key networks.mine.task is missing", "what the network predicts"],
        ),
        (
            "networks: {depth_cnn: {architecture: {name: unet}}}",
            [
                'architecture.name is "unet"',
                "cnn_fc, conv_deconv, joint_unet, multiwiener, physics_encoder, physics_unet",
            ],
        ),
        ("networks: {depth_cnn: {architecture: 5}}", ["networks.depth_cnn.architecture is 5", "a mapping of keys"]),
        (
            "networks: {depth_cnn: {architecture: {name: resnet_cnn}}}",
            ["no key networks.depth_cnn.architecture.channels", "did you mean head_channels?"],
        ),
        (
            "networks: {deblur_cnn: {architecture: {strides: [1, 6, 1]}}}",
            ["architecture.strides[1] is 6", "one of 1, 2, 3, 4 (stride of each convolution)"],
        ),
        ("networks: {deblur_cnn: {architecture: {strides: [1, 1.0, 1]}}}", ["strides[1] is 1.0"]),
        ("networks: {deblur_cnn: {architecture: {strides: [1, true, 1]}}}", ["strides[1] is true"]),
        ("baselines: {deblur_wiener: {method: {name: winer}}}", ['method.name is "winer"', "richardson_lucy, wiener"]),
        (
            "baselines: {stack2_wiener: {method: {iterations: [3]}}}",
            ["no key baselines.stack2_wiener.method.iterations", "one of name, noise_to_signal"],
        ),
        ("datasets: {depth: {depth_range_um: [1, 2, 3]}}", ["a list of 2 values, each a number of at least 0"]),
        ("datasets: {depth: {source: 5}}", ["datasets.depth.source is 5", "`synthetic`, or MATLAB files"]),
        ("datasets: {depth: {source: {train: [a.mat]}}}", ["datasets.depth.source.validation is missing"]),
        ("datasets: {depth: {source: {train: [], validation: [], test: [a.txt]}}}", ['source.test[0] is "a.txt"']),
        ("seed_replicates: {seeds: [1, 1]}", ["seed_replicates.seeds is [1, 1]", "without repeated values"]),
        ("plugins: none.py", ['plugins is "none.py"', "a list"]),
        ("results: a b", ["results", "no spaces and braces"]),
        ("results: ~/out", ["results", "no ~ at its beginning"]),
        ('results: "a\\0b"', ["results", "up to 200 characters"]),
        (f"results: {'a' * 201}", ["results", "up to 200 characters"]),
    ],
)
def test_problem_of_a_key(base: Any, overlay: str, parts: list[str], tmp_path: Path) -> None:
    assert_reported(problems(base, overlay, tmp_path), parts)


@pytest.mark.parametrize(
    ("overlay", "parts"),
    [
        (
            "datasets: {depth: {depth_range_um: [50, 2500]}}",
            ["mine.yaml:1: datasets.depth", "[0, 2000]"],
        ),
        ("datasets: {stack2: {depth_range_um: [0, 1200]}}", ["[-200, 1000] from sensor B"]),
        ("datasets: {stack2: {depth_range_um: [900, 100]}}", ["lower value first"]),
        (
            "datasets: {moving: {appearance: {paper: 1, wide: 2}}}",
            ["datasets.moving.appearance is paper and wide", "one appearance where the scene is moving"],
        ),
        ("datasets: {stack2: {appearance: {paper: 1, broad: 2}}}", ["appearance is broad", "one of paper, wide"]),
        (
            "datasets: {stack2: {minimum_layers: 5, empty_layers: 0.1}}",
            ["datasets.stack2.minimum_layers is 5", "at most n_layers, 4"],
        ),
        (
            "datasets: {stack2: {minimum_layers: 0, empty_layers: 0.1}}",
            ["datasets.stack2.empty_layers is 0.1", "0 where minimum_layers is set"],
        ),
        (
            "datasets: {moving: {minimum_layers: 1}}",
            ["datasets.moving.minimum_layers is 1", "null unless the scene is layers"],
        ),
        (
            "datasets: {stack2: {minimum_layers: 1}}",
            ["networks.stack2_cnn.task is masks", "counted_stacks, as the number of layers varies"],
        ),
        (
            "networks: {stack2_physics: {task: counted_stacks}}",
            ["trust.network is stack2_physics", "a network whose task is masks or stacks"],
        ),
        (
            "networks: {deblur_physics: {architecture: {name: staged_unet}}}",
            ["networks.deblur_physics.architecture.name is staged_unet", "physics_unet", "for task deblurring"],
        ),
        ("datasets: {stack2: {minimum_gap_um: 400}}", ["datasets.stack2.minimum_gap_um is 400", "at most 333.333"]),
        (
            "datasets: {stack2: {depth_step_um: 150, minimum_gap_um: 310}}",
            [
                "datasets.stack2.minimum_gap_um is 310",
                "at most 300 because 4 layers share depth_range_um in steps of 150",
            ],
        ),
        ("datasets: {moving: {n_layers: 1}}", ["datasets.moving.n_layers is 1", "at least 2"]),
        (
            "datasets: {stack2: {source: {train: [], validation: [], test: [no.mat]}}}",
            ["source.test[0] is no.mat, which does not exist"],
        ),
        ("appearances: {wide: {edge_sigma_px: [4, 2]}}", ["appearances.wide.edge_sigma_px", "lower value first"]),
        ("datasets: {stack2: {appearance: real}}", ["datasets.stack2.appearance is real", "one of paper, wide"]),
        ("shards: {train: 20000}", ["shards.train is 20000", "at most n_samples.train, 10000"]),
        ("shards: {test: 500}", ["shards.test is 500", "at most n_samples.sequences, 100"]),
        ("ablation: [stack2_cnn, none]", ["ablation[1] is none", "one of depth_cnn"]),
        ("ablation: [stack2_cnn-7]", ["ablation[0] is stack2_cnn-7", "stack2_cnn-2023"]),
        ("layers: [none]", ["layers[0] is none", "one of depth_cnn"]),
        ("layers: [deblur_cnn]", ["layers[0] is deblur_cnn with task deblurring", "masks or stacks"]),
        ("robustness: {networks: [none]}", ["robustness.networks[0] is none", "one of depth_cnn"]),
        ("ablation: [stack2_cnn, stack1_cnn]", ["ablation[1] is stack1_cnn with task masks on stack1", "on stack2"]),
        ("benchmark_entries: {mine: {stack3: a.npz}}", ["benchmark_entries.mine.stack3 is stack3", "one of depth"]),
        ("benchmark_entries: {mine: {stack2: a.npz}}", ["stack2 is a.npz, which does not exist", ".h5 or .npz"]),
        ("benchmark_entries: {stack2_cnn: {}}", ["benchmark_entries.stack2_cnn has the name of a network"]),
        ("psf: {source: file}", ["mine.yaml:1: psf.file is none", "HDF5"]),
        ("psf: {scan: {depths: x.csv}}", ["psf.scan.stack is simulated", "both"]),
        ("psf: {scan: {stack: a.tif, depths: x.csv}}", ["psf.scan.stack is a.tif, which does not exist"]),
        ("networks: {depth_cnn: {dataset: dept}}", ["networks.depth_cnn.dataset is dept", "one of depth, deblur"]),
        ("networks: {depth_cnn: {test_datasets: [dept]}}", ["networks.depth_cnn.test_datasets[0] is dept"]),
        (
            "networks: {stack1_cnn: {test_datasets: [stack2]}}",
            ["test_datasets[0] is stack2 with sensors AB", "sensors A as stack1 has"],
        ),
        (
            "networks: {depth_cnn: {task: depths}}",
            ['depth_cnn.task is "depths"', "depth_class, deblurring, depth_map, masks, stacks"],
        ),
        ("networks: {depth_cnn: {task: masks}}", ["networks.depth_cnn.task is masks", "more than one layer"]),
        ("networks: {deblur_cnn: {dataset: stack1}}", ["networks.deblur_cnn.task is deblurring", "of one layer"]),
        (
            "networks: {depth_cnn: {dataset: deblur}}",
            ["task is depth_class", "depth_step_um of dataset deblur above 0"],
        ),
        ("networks: {nonoverlap_cnn: {dataset: stack1}}", ["task is depth_map", "overlap of dataset stack1 to remove"]),
        ("networks: {stack2_cnn: {dataset: moving}}", ["networks.stack2_cnn.dataset is moving", "scene is layers"]),
        (
            "compute: {devices: 3}",
            ["networks.depth_cnn.training.batch_size is", "a multiple of compute.devices, 3, change one of them"],
        ),
        (
            "networks: {depth_cnn: {training: {batch_size: 20000}}}",
            ["training.batch_size is 20000", "at most n_samples.train, 10000"],
        ),
        (
            "networks: {stack2_cnn: {training: {resample_stacks: false, noise: " + NOISE + "}}}",
            ["networks.stack2_cnn.training.noise is set", "null because stored measurements stay as they are"],
        ),
        (
            f"networks: {{stack2_cnn: {{training: {{noise: {NOISE}, imagers: {IMAGERS}}}}}}}",
            ["networks.stack2_cnn.training.noise is set", "null because imagers have their own"],
        ),
        (
            "networks: {stack2_cnn: {training: {noise: " + NOISE.replace("[1000", "[100000") + "}}}",
            ["networks.stack2_cnn.training.noise.full_well_electrons is [100000, 10000]", "the lower value first"],
        ),
        (
            "networks: {depth_cnn: {training: {max_steps: 50}}}",
            ["mine.yaml:1: networks.depth_cnn.training.validation_interval is 250", "at most training.max_steps, 50"],
        ),
        (
            "networks: {stack1_cnn: {architecture: {strides: [1, 2]}}}",
            ["networks.stack1_cnn.architecture.strides is [1, 2]", "one for each of the 3 channels"],
        ),
        (
            "networks: {stack2_physics: {architecture: {name: physics_unet, attention: true, channels: [8, 18]}}}",
            ["stack2_physics.architecture.channels is [8, 18]", "a multiple of 4 because attention is true"],
        ),
        (
            "seed_replicates: {networks: [unet]}",
            ["seed_replicates.networks[0] is unet", "one of depth_cnn, deblur_cnn"],
        ),
        ("seed_replicates: {networks: [depth_cnn]}", ["seed_replicates.networks[0] is depth_cnn", "no error by layer"]),
        (
            "datasets: {other: {n_layers: 4, sensors: A, depth_range_um: [0, 1000]}}\n"
            "networks: {stack1_physics: {test_datasets: [other]}}\nseed_replicates: {networks: [stack1_physics]}",
            ["seed_replicates.networks[0] is stack1_physics", "tested on its dataset stack1"],
        ),
        ("seed_replicates: {seeds: [1, 2022]}", ["seed_replicates.seeds is [1, 2022]", "other seeds than the root"]),
        (
            "specimen: {motion_um: 50}",
            ["depth_cnn.training.resample_stacks is true", "expected false because"],
        ),
        (
            "networks: {depth_cnn: {training: {margin_pixels: 51}}}",
            ["depth_cnn.training.margin_pixels is 51", "less than imager.n_pixels, 51"],
        ),
        (
            "networks: {depth_cnn: {training: {margin_pixels: 5, resample_stacks: false}}}",
            ["depth_cnn.training.margin_pixels is 5", "stored measurements have no light from beyond"],
        ),
        (
            "networks: {depth_cnn: {initial_model: no.json}}",
            ["networks.depth_cnn.initial_model is no.json, which does not exist"],
        ),
        ("pretraining: {weights: no.pt}", ["pretraining.weights is no.pt"]),
        (
            "pretraining: {dataset: stack1}",
            ["networks.stack2_resnet.architecture.encoder", "sensors A as pretraining.dataset"],
        ),
        ("figures: {fig4: {network: stack_cnn}}", ["figures.fig4.network is stack_cnn", "one of depth_cnn"]),
        ("figures: {fig4: {dataset: stack1}}", ["figures.fig4.dataset is stack1", "one of stack2, moving, slides"]),
        (
            "figures: {fig4: {network: depth_cnn, dataset: depth}}",
            ["depth_cnn with task depth_class", "task is masks or stacks"],
        ),
        (
            "datasets: {stack1: {n_layers: 6}}",
            ["figures.fig4.dataset is stack2 with n_layers 4", "n_layers 6 as stack1 of figures.figS2 has"],
        ),
        ("figures: {fig5: {dataset: stack2}}", ["stack2 with scene layers", "scene moving"]),
        (
            "baselines: {deblur_wiener: {dataset: stack2}}",
            ["baselines.deblur_wiener.dataset is stack2", "of one layer"],
        ),
        (
            "baselines: {stack1_wiener: {test_datasets: [stack2]}}",
            ["baselines.stack1_wiener.test_datasets[0] is stack2 with sensors AB", "sensors A as stack1 has"],
        ),
        (
            "baselines: {deblur_identity: {test_datasets: [nonoverlap]}}",
            ["baselines.deblur_identity.test_datasets[0] is nonoverlap with n_layers 2", "n_layers 1 as deblur has"],
        ),
        ("baselines: {stack1_wiener: {test_datasets: [none]}}", ["test_datasets[0] is none", "one of depth, deblur"]),
        ("reconstruct: {network: depth_cnn}", ["reconstruct.network is depth_cnn", "one of stack1_cnn"]),
        ("reconstruct: {samples: no.tsv}", ["reconstruct.samples is no.tsv, which does not exist"]),
        ("reconstruct: {imager: no.yaml}", ["reconstruct.imager is no.yaml, which does not exist"]),
        (
            "reconstruct: {imager: aligned}\nalign: {samples: no.tsv}",
            ["align.samples is no.tsv, which does not exist; expected a table of acquisitions"],
        ),
    ],
)
def test_entries_that_do_not_fit_each_other(base: Any, overlay: str, parts: list[str], tmp_path: Path) -> None:
    assert_reported(problems(base, overlay, tmp_path), parts)


def test_all_problems_are_reported_at_once_with_file_and_line(base: Any, tmp_path: Path) -> None:
    overlays = ["seed: abc\nn_samples:\n  trian: 5\n  test: 0\n", "seed: abc\n# more\ncompute: {device: gpu}\n"]
    files = [tmp_path / "first.yaml", tmp_path / "second.yaml"]
    for file, overlay in zip(files, overlays, strict=True):
        file.write_text(overlay)
        base = merge(base, yaml.safe_load(overlay))
    base = merge(base, {"n_bootstrap": 1})
    with pytest.raises(InputError) as error:
        check_config(base, ["config/config.yaml", *files])
    starts = [line.rpartition("/")[2].partition(";")[0] for line in str(error.value).splitlines()]
    assert starts == [
        "first.yaml:3: there is no key n_samples.trian",
        'first.yaml:1: seed is "abc"',
        "first.yaml:4: n_samples.test is 0",
        "--config: n_bootstrap is 1",
        'second.yaml:3: compute.device is "gpu"',
    ]


def test_all_entries_that_do_not_fit_are_reported_with_the_file_that_brings_them_about(
    base: Any, tmp_path: Path
) -> None:
    overlay = """# Entries that config.yaml does not contradict by itself.
networks:
  depth_cnn: {dataset: dept}
  deblur_cnn:
    training:
      max_steps: 100
compute: {devices: 32}
figures: {fig4: {network: deblur_cnn, dataset: deblur}}
"""
    lines = [line.split("mine.yaml")[1] for line in problems(base, overlay, tmp_path)]
    for start in (
        ":3: networks.depth_cnn.dataset is dept; expected one of",
        ":5: networks.deblur_cnn.training.validation_interval is 250; expected at most training.max_steps, 100",
        ": networks.stack1_cnn.training.batch_size is 16; expected a multiple of compute.devices, 32",
        ":8: figures.fig4.network is deblur_cnn with task deblurring",
    ):
        assert [line for line in lines if line.startswith(start)] != [], (start, lines)


def test_a_key_that_is_given_twice_is_an_error_with_both_lines(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 1\nnetworks:\n  a: &a {x: 1}\n  b: {<<: *a, x: 2}\n  a: {y: 1}\nseed: 2\n")
    assert [line.split("mine.yaml:")[1] for line in read_document(file).repeated] == [
        "5: the key networks.a is given twice, in lines 3 and 5; remove one.",
        "6: the key seed is given twice, in lines 1 and 6; remove one.",
    ]
    file.write_text("seed: 1\nseed: abc\n")
    with pytest.raises(InputError) as error:
        read_config([CONFIG / "config.yaml", file])
    lines = str(error.value).splitlines()
    assert ["given twice, in lines 1 and 2" in lines[0], 'mine.yaml:2: seed is "abc"' in lines[1]] == [True, True]


def test_reserved_name(base: Any) -> None:
    base["networks"]["encoder"] = base["networks"]["depth_cnn"]
    with pytest.raises(InputError, match=r"networks\.encoder is a reserved name"):
        check_config(base, [])


def test_value_from_the_command_line(base: Any) -> None:
    base["seed"] = "abc"
    with pytest.raises(InputError, match=r"^--config: seed is"):
        check_config(base, [CONFIG / "config.yaml"])


PLUGIN = """
from typing import Literal
from pydantic import Field
from foci3d.config.architectures import ARCHITECTURES, Architecture
from foci3d.config.tasks import TASKS, TaskSpec

TASKS.register(TaskSpec(name="count", meaning="number of cells", axes="sample layer"))

@ARCHITECTURES.add("linear")
class LinearConfig(Architecture):
    name: Literal["linear"] = Field(description="architecture")
    rank: int = Field(ge=1, description="rank of the operator")
"""


@pytest.fixture
def plugin(tmp_path: Path, plugged_in: None) -> Path:
    """A user's file that registers a network and a task."""
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    return path


def linear(rank: Any, plugin: Path) -> dict[str, Any]:
    return {"plugins": [str(plugin)], "networks": {"stack1_cnn": {"architecture": {"name": "linear", "rank": rank}}}}


def test_keys_of_a_registered_network_are_checked_as_strictly(base: Any, plugin: Path) -> None:
    del base["networks"]["stack1_cnn"]["architecture"]
    config = check_config(merge(base, linear(2, plugin)), [])
    assert config.networks["stack1_cnn"].architecture.model_dump() == {"name": "linear", "rank": 2}
    with pytest.raises(InputError, match=r"architecture\.rank is 0; expected an integer of at least 1 \(rank of the"):
        check_config(merge(base, linear(0, plugin)), [])
    base["networks"]["stack1_cnn"]["architecture"] = {"name": "liner"}
    with pytest.raises(InputError, match=r"name is \"liner\"; expected one of cnn_fc, .*, linear"):
        check_config(base | {"plugins": [str(plugin)]}, [])


def test_error_in_a_plugin(base: Any, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import nothing_of_this_name\n")
    with pytest.raises(InputError, match=r"broken\.py: ModuleNotFoundError while it was imported"):
        check_config(base | {"plugins": [str(path)]}, [])


VALUES = [
    None,
    True,
    0,
    -1,
    3,
    2.5,
    1e9,
    float("nan"),
    "",
    "none",
    "1e4",
    "a b",
    [],
    [1, 2],
    ["x"],
    {},
    {"a": 1},
    {5: 6},
]


def containers(node: Any) -> Iterator[Any]:
    """Every mapping and list that is not empty."""
    if isinstance(node, dict | list) and node:
        yield node
        for child in node.values() if isinstance(node, dict) else node:
            yield from containers(child)


def break_one_entry(config: Any, rng: random.Random) -> None:
    """Remove, rename, replace or repeat one entry somewhere in a configuration."""
    node = rng.choice(list(containers(config)))
    if isinstance(node, list):
        index = rng.randrange(len(node))
        node[index : index + 1] = rng.choice([[], [node[index]] * 2, [copy.deepcopy(rng.choice(VALUES))]])
        return
    key = rng.choice(list(node))
    action = rng.choice(["remove", "rename", "replace", "replace", "add"])
    if action in ("remove", "rename"):
        value = node.pop(key)
        if action == "rename":
            name = str(key)
            node[name[:1] + name[2:] if rng.random() < 0.5 else name + rng.choice("_xs-")] = value
    else:
        node[key if action == "replace" else rng.choice(["more", 7, None, "a-b"])] = copy.deepcopy(rng.choice(VALUES))


def test_random_configurations_give_lines_that_name_the_keys(base: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "config_schema", cache(validation.config_schema))  # the same each time, and slow
    rng = random.Random(1)
    keys = {str(key) for node in containers(base) if isinstance(node, dict) for key in node}
    accepted = 0
    for _ in range(500):
        config = copy.deepcopy(base)
        for _ in range(rng.randint(1, 3)):
            break_one_entry(config, rng)
        try:
            check_config(config, [])
            accepted += 1
        except InputError as error:
            for line in str(error).splitlines():
                assert line.startswith("--config: ") or "named in plugins" in line
                assert line.endswith((".", "?"))
                assert any(key in line for key in keys)
    assert accepted < 150
