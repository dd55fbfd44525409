"""What rules depend on: the imager of a network, and what a model must be to take the place of a training."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from foci3d.config.models import SeedReplicatesConfig
from foci3d.learning.model import load_model
from foci3d.learning.model_file import check_model, read_description
from foci3d.learning.released import released_model
from foci3d.workflow.project import Project

WORKFLOW = Path(__file__).parents[3] / "workflow"
COPIES = {"nonoverlap": "depth_map", "stack2": "two_sensors"}


def make_project(config, separation_um=1000.0, copies=()):
    """A project with another separation of the sensors, in which some networks have the weights of released ones."""
    imager = config.imager.model_copy(update={"sensor_separation_um": separation_um})
    networks = {
        name: network.model_copy(update={"weights": str(released_model(COPIES[network.dataset]))})
        if name in copies
        else network
        for name, network in config.networks.items()
    }
    return Project(config.model_copy(update={"imager": imager, "networks": networks}), WORKFLOW)


@pytest.mark.parametrize(
    ("released", "network", "scale"),
    [("two_sensors", "stack2_physics", 0.9), ("one_sensor", "stack1_physics", 1.0)],
)
def test_a_copied_network_works_with_the_configured_separation(config, make_psf, released, network, scale):
    project = make_project(config, separation_um=900.0)
    model = load_model(released_model(released), psf=make_psf(51), **project.inference(network))
    assert model.depth_scale == scale


@pytest.mark.parametrize("separation_um", [1000.0, 961.3])
def test_a_network_that_was_trained_for_the_configured_imager_is_not_scaled(
    config, model_description, tmp_path, separation_um
):
    project = make_project(config, separation_um)
    described = model_description.model_copy(update={"sensor_separation_um": separation_um})
    (tmp_path / "model.json").write_text(described.model_dump_json())
    read = read_description(tmp_path / "model.json").sensor_separation_um
    assert project.inference("stack2_physics")["sensor_separation_um"] / read == 1.0


ALL_SPLITS = {"train", "validation", "test"}


def planned_splits(project, dataset):
    return {Path(path).stem.rsplit("-", 1)[0] for path in project.all_shards() if f"/{dataset}/" in path}


def test_the_datasets_of_copied_networks_have_test_splits_alone(config):
    one, both = (
        make_project(config, copies=copies)
        for copies in (["nonoverlap_physics"], ["nonoverlap_cnn", "nonoverlap_physics"])
    )
    assert planned_splits(one, "nonoverlap") == ALL_SPLITS
    assert planned_splits(both, "nonoverlap") == {"test"}
    assert planned_splits(both, "stack1") == ALL_SPLITS  # classical methods are tuned on it
    assert planned_splits(both, "moving") == {"test"}


def test_the_dataset_of_the_pretraining_is_needed_by_a_trained_network(config):
    changed = config.model_copy(
        update={
            "baselines": {},
            "pretraining": config.pretraining.model_copy(update={"dataset": "slides"}),
            "seed_replicates": SeedReplicatesConfig(),
        }
    )
    starting = [name for name, network in config.networks.items() if network.starts_pretrained]
    assert starting
    assert planned_splits(make_project(changed), "slides") == ALL_SPLITS
    assert planned_splits(make_project(changed, copies=starting), "slides") == {"test"}


def expected_model(project, network):
    return project.expected_model(SimpleNamespace(network=network))


def test_what_is_expected_of_a_model_depends_on_its_task(config):
    project = make_project(config)
    stacks, classes = (expected_model(project, name) for name in ("stack2_physics", "depth_physics"))
    assert stacks == {"task": "stacks", "in_channels": 2, "n_layers": 4, "n_pixels": 51}
    assert classes.pop("classes_um") == [50.0 + 100 * number for number in range(20)]
    assert classes == {"task": "depth_class", "in_channels": 1, "n_layers": 1, "n_pixels": 51}


def test_depth_classes_of_two_sensors_are_those_of_one_separation(config):
    depth = config.datasets["depth"].model_copy(update={"sensors": "AB"})
    project = make_project(config.model_copy(update={"datasets": {**config.datasets, "depth": depth}}), 900.0)
    assert expected_model(project, "depth_physics")["sensor_separation_um"] == 900


def test_the_released_networks_fit_the_configuration(config):
    project = make_project(config)
    for name, released in {"depth_physics": "depth_classes", "stack2_physics": "two_sensors"}.items():
        path = released_model(released)
        check_model(path, read_description(path), expected_model(project, name))
