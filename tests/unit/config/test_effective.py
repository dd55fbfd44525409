"""Size of config.yaml, values that repeat a default, and the configuration that a run writes beside its results."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from foci3d.config.documents import merge, read_document
from foci3d.config.effective import effective_yaml
from foci3d.config.models import Config
from foci3d.config.validation import check_config

PROJECT = Path(__file__).parents[3]
CONFIG = PROJECT / "config"
FILES = sorted([*CONFIG.glob("*.yaml"), *PROJECT.glob("workflow/studies/*/*.yaml")])


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Path of each value that is no mapping."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def without(tree: Any, path: tuple[str, ...]) -> Any:
    """A copy of `tree` without the value at `path`."""
    key, *rest = path
    below = {key: without(tree[key], tuple(rest))} if rest else {}
    return {**{other: value for other, value in tree.items() if other != key}, **below}


def test_config_yaml_is_short() -> None:
    text = (CONFIG / "config.yaml").read_text()
    assert len([*leaves(yaml.safe_load(text))]) <= 230
    assert len(text.splitlines()) <= 260


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PROJECT)))
def test_no_value_only_repeats_a_default_or_config_yaml(file: Path) -> None:
    base = {} if file == CONFIG / "config.yaml" else read_document(CONFIG / "config.yaml").content
    overlay = read_document(file).content
    config = Config.model_validate(merge(base, overlay))
    repeated = []
    for path in leaves(overlay):
        try:
            if Config.model_validate(merge(base, without(overlay, path))) == config:
                repeated.append(path)
        except ValueError:
            pass  # the key is required
    assert repeated == []


def test_effective_configuration_has_every_value_with_its_origin(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("psf:\n  source: optics\nnetworks:\n  depth_cnn: {training: {max_steps: 700}}\n")
    files = [CONFIG / "config.yaml", mine]
    given = {**merge(read_document(files[0]).content, read_document(mine).content), "seed": 5}
    config = check_config(given, files)
    text = effective_yaml(config, given, files)
    assert Config.model_validate(yaml.safe_load(text)) == config
    assert len([*leaves(yaml.safe_load(text))]) > 450
    origins = dict(line.strip().split("  # ") for line in text.splitlines() if "  # " in line)
    assert origins["seed: 5"] == "--config"
    assert origins["source: optics"].endswith("mine.yaml:2")
    assert origins["max_steps: 700"].endswith("mine.yaml:4")
    assert origins["adc_bits: 12"] == "default"
    line = next(n for n, line in enumerate(files[0].read_text().splitlines(), 1) if "n_pixels" in line)
    assert origins["n_pixels: 51"].endswith(f"config.yaml:{line}")
