"""Scripts that draw the figures, run as Snakemake runs them on small made-up predictions."""

import ast
import re
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import jinja2
import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_parts
from PIL import Image
from predicted import make_predictions
from run_script import load_workflow
from snakemake.io import get_flag_value, is_flagged
from torch import nn

from foci3d.evaluation.roc import trace_roc
from foci3d.evaluation.scores import score
from foci3d.io.predictions import Predictions
from foci3d.learning import model as model_module
from foci3d.workflow import provenance

WORKFLOW = Path(__file__).parents[2] / "workflow"
SCRIPTS = WORKFLOW / "scripts"
SAMPLES, PIXELS = 8, 12
GEOMETRY = {"pixel_pitch_um": 55.0, "sensor_separation_um": 1000.0}


def inputs_of(rng: np.random.Generator, layers: int, sensors: int) -> dict[str, np.ndarray]:
    shape = (SAMPLES, layers, PIXELS, PIXELS)
    masks = (rng.random(shape) < 0.4).astype(np.uint8)
    return {
        "measurements": rng.random((SAMPLES, sensors, PIXELS, PIXELS), np.float32),
        "layers": rng.lognormal(size=shape).astype(np.float32),
        "masks": masks,
        "depths_um": np.sort(rng.uniform(0, 1000, shape[:2]), 1).astype(np.float32),
    }


def random_predictions(task: str, layers: int = 1, sensors: int = 1, moving: bool = False) -> Predictions:
    rng = np.random.default_rng(1)
    arrays = inputs_of(rng, layers, sensors)
    if task == "depth_class":
        classes = np.arange(SAMPLES) % 4
        probabilities = 0.1 + 0.6 * np.eye(4)[classes]
        arrays |= {"output": probabilities, "target": classes, "classes_um": np.array([50.0, 150.0, 250.0, 350.0])}
    elif task == "deblurring":
        arrays |= {"output": arrays["layers"] * 0.9, "target": arrays["layers"]}
    elif task == "depth_map":
        target = (arrays["masks"][:, :1] * arrays["depths_um"][:, :1, None, None]).astype(np.float32)
        arrays |= {"output": target + 30, "target": target}
    else:
        wrong = rng.random(arrays["masks"].shape) < 0.1
        output = np.where(wrong, 1 - arrays["masks"], arrays["masks"]) * 0.8 + 0.1
        arrays |= {"output": output.astype(np.float32), "target": arrays["masks"]}
    if moving:
        cluster = np.zeros((SAMPLES, PIXELS, PIXELS), np.uint8)
        cluster[:, 3:7, 4:8] = 1
        arrays |= {"sequence": np.arange(SAMPLES) // 4, "step": np.arange(SAMPLES) % 4, "cluster": cluster}
    return make_predictions(task, network="a_network", **arrays)


@pytest.fixture
def files(tmp_path):
    """Make predictions and their scores; gives the files by kind."""

    def make(task: str, **options) -> dict[str, Path]:
        predictions = random_predictions(task, **options)
        paths = {"predictions": tmp_path / "predictions.h5"}
        predictions.save(paths["predictions"])
        tables = dict(zip(("samples", "summary"), score(predictions, 1000.0, 20, 1), strict=True))
        if task == "masks":
            tables["roc"] = trace_roc(predictions)
        for name, table in tables.items():
            paths[name] = tmp_path / f"{name}.csv"
            table.to_csv(paths[name], index=False)
        return paths

    return make


@pytest.fixture
def draw(run_script, tmp_path):
    """Run the script of a figure, check its PNG and SVG, and return its other outputs."""

    def run(rule: str, figures: list[str], inputs: dict, params: dict | None = None, **others: str) -> dict[str, Path]:
        (tmp_path / "figures").mkdir()
        output = {name: [tmp_path / "figures" / f"{name}.{suffix}" for suffix in ("png", "svg")] for name in figures}
        others = {name: tmp_path / "figures" / file for name, file in others.items()}
        log = run_script(rule, input=inputs, output={**output, **others}, params=params or {})
        assert "done in" in log
        for png, svg in output.values():
            with Image.open(png) as image:
                assert np.asarray(image.convert("L")).std() > 1, "the figure is empty"
            assert ElementTree.parse(svg).getroot().tag.endswith("svg")
        return others

    return run


def only(paths: dict[str, Path], *names: str) -> dict[str, str]:
    return {name: str(paths[name]) for name in names}


@pytest.fixture
def layer_bounds(tmp_path) -> dict[str, str]:
    path = tmp_path / "bounds_layers.csv"
    pd.DataFrame({"layer": range(1, 5), "linear_share": [0.8, 0.4, 0.4, 0.8]}).to_csv(path, index=False)
    return {"bounds": str(path)}


@pytest.mark.parametrize("n_depths", [2, 0], ids=["noise", "no noise"])
def test_fig2(files, draw, tmp_path, n_depths):
    bounds = pd.DataFrame({"depth_um": [50.0, 1950.0], "deviation_um": [1.0, 40.0], "class_accuracy": [0.98, 0.9]})
    bounds[:n_depths].to_csv(tmp_path / "bounds_depth.csv", index=False)
    inputs = only(files("depth_class"), "samples") | {"bounds": str(tmp_path / "bounds_depth.csv")}
    draw("fig2", ["fig2a", "fig2b"], inputs)


def test_fig3(files, draw):
    draw("fig3", ["fig3a", "fig3b"], only(files("deblurring"), "predictions", "samples"), GEOMETRY)


def test_fig4(files, draw, layer_bounds):
    paths = files("masks", layers=4, sensors=2)
    names = ["fig4a", "fig4b", "fig4c"]
    inputs = only(paths, "predictions", "samples") | layer_bounds | {"beside": paths["predictions"]}
    output = draw("fig4", names, inputs, GEOMETRY, view="fig4c.html")
    page = output["view"].read_text(encoding="utf-8")
    assert "layer 4" in page
    assert "sensor B" in page


def test_fig4_shows_the_sample_with_the_median_error(files, draw, layer_bounds):
    paths = files("masks", layers=4, sensors=2)
    samples = pd.read_csv(paths["samples"])
    errors = samples.groupby("sample")["error"].mean()
    shown = (errors - errors.median()).abs().idxmin()
    output = draw(
        "fig4",
        ["fig4a", "fig4b", "fig4c"],
        only(paths, "predictions", "samples") | layer_bounds,
        GEOMETRY,
        view="c.html",
    )
    first = samples[(samples["sample"] == shown) & (samples["layer"] == 1)]["depth_um"].item()
    assert f"layer 1, {first:.0f}" in output["view"].read_text(encoding="utf-8")


def test_figs_5_and_6(files, draw):
    paths = files("masks", layers=4, sensors=2, moving=True)
    panels = ["fig5a", "fig5b", "fig6a", "fig6b"]
    draw("fig_moving", panels, only(paths, "predictions", "samples", "summary", "roc"), GEOMETRY)


def test_fig7(files, draw):
    paths = files("masks", layers=4, sensors=2)
    draw("fig7", ["figure"], only(paths, "predictions", "samples", "summary"), GEOMETRY)


def test_figS1_and_the_table_by_coverage(files, draw):  # noqa: N802
    paths = files("depth_map", layers=2)
    claims = SCRIPTS.parents[1] / "resources" / "paper_claims.csv"
    inputs = {**only(paths, "predictions", "samples"), "compared": [paths["samples"]], "claims": claims}
    params = {**GEOMETRY, "max_depth_um": 1000.0, "networks": ["nonoverlap_cnn"], "n_bootstrap": 20, "seed": 1}
    pages = draw("figS1", ["figure"], inputs, params, csv="c.csv", html="c.html", markdown="c.md")
    assert set(pd.read_csv(pages["csv"])["paper_error"]) == {6}


@pytest.mark.parametrize("sensors", [1, 2], ids=["figS2", "figS4"])
def test_figS2_and_figS4(files, draw, sensors):  # noqa: N802
    draw("figS2", ["figure"], only(files("masks", layers=4, sensors=sensors), "predictions", "samples"), GEOMETRY)


def test_figS3(files, draw, monkeypatch):  # noqa: N802
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    monkeypatch.setattr(model_module, "load_model", lambda model, recalibration: SimpleNamespace(network=network))
    inputs = only(files("masks", layers=4, sensors=2), "predictions", "samples")
    draw("figS3", ["figure"], inputs | {"model": "a.json"}, GEOMETRY)


def test_fig_training(draw, tmp_path):
    step = np.arange(100, 500, 100)
    table = pd.DataFrame(
        {"step": step, "train_loss": 1 / step, "validation_loss": 1 / step, "validation_score": 1 / step}
    )
    curves = [tmp_path / f"{network}.csv" for network in ("first_cnn", "second_cnn")]
    for path in curves:
        table.to_csv(path, index=False)
    draw("fig_training", ["figure"], {"curves": [str(path) for path in curves]})


def test_damaged_file_is_reported_in_one_line(files, run_script, tmp_path):
    paths = files("masks", layers=4, sensors=2)
    paths["predictions"].write_bytes(b"nothing")
    output = {"figure": [tmp_path / "fig7.png", tmp_path / "fig7.svg"]}
    with pytest.raises(SystemExit):
        run_script("fig7", input=only(paths, "predictions", "samples", "summary"), output=output, params=GEOMETRY)
    log = (tmp_path / "fig7.log").read_text()
    assert "not a readable HDF5 file" in log
    assert "Traceback" not in log


PAPER_FIGURES = sorted(path.stem for path in SCRIPTS.glob("fig*.py") if path.stem[3].isdigit() or path.stem[3] == "S")


@pytest.mark.parametrize("script", [*PAPER_FIGURES, "fig_moving", "fig_training"])
def test_only_the_architecture_waits_for_torch(script):
    source = (SCRIPTS / f"{script}.py").read_text()
    sources = [provenance.module_path(name).read_text() for name in provenance.transitive_modules(source)]
    imported = {
        name.split(".")[0]
        for text in [source, *sources]
        for node in ast.parse(text).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module])
    }
    assert ("torch" in imported) == (script == "figS3")


CAPTIONS = {path.stem: path for pattern in ("report/**/*.rst", "studies/*/*.rst") for path in WORKFLOW.glob(pattern)}


def test_every_output_of_the_report_has_a_caption_and_a_category_without_a_prefix():
    """Docutils makes a target of each category, named by what stands before a colon."""
    with load_workflow() as workflow:
        outputs = [output for rule in workflow.rules for output in rule.output if is_flagged(output, "report")]
        entries = {output: get_flag_value(output, "report") for output in outputs}
        captions = {Path(entry.caption.get_path_or_uri(secret_free=True)) for entry in entries.values()}
    assert captions == set(CAPTIONS.values()) - {CAPTIONS["workflow"]}
    categories = {entry.category for entry in entries.values()}
    assert len(categories) > 5
    assert not [category for category in categories if ":" in str(category)]


@pytest.mark.parametrize("caption", sorted(CAPTIONS))
def test_captions_are_rendered_with_the_configuration(config, caption):
    values = config.model_dump(mode="json")
    snakemake = SimpleNamespace(config=values, wildcards=SimpleNamespace(sample="first"))
    template = CAPTIONS[caption].read_text()
    text = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(template).render(snakemake=snakemake)
    page = publish_parts(text, writer="html", settings_overrides={"halt_level": 2})["body"]
    assert len(page) > 200
    if caption.startswith("fig") and caption[3:4] != "_":
        shown = values["figures"][re.sub("[a-c]$", "", caption)]
        assert any(f">{name}<" in page for name in shown.values())
        assert "paper's Fig." in page.replace("&#x27;", "'")
