"""The notebooks, executed from the first cell to the last at the smallest size."""

from pathlib import Path

import jupytext
import nbclient
import nbformat
import pandas as pd
import pytest

PROJECT = Path(__file__).parents[1]
NOTEBOOKS = PROJECT / "notebooks"
SMALL = {
    "bead_scan_to_map": "N_TRAIN, N_VALIDATION, MAX_STEPS, N_DEPTHS, CHANNELS = 32, 16, 2, 2, (4, 8)",
    "own_network": "N_TRAIN, N_TEST, MAX_STEPS, N_BOOTSTRAP = 32, 16, 2, 20",
}


def execute(name: str, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook with other parameters, which a cell after those of the notebook sets."""
    notebook = jupytext.read(NOTEBOOKS / f"{name}.md")
    (index,) = [i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])]
    assert SMALL[name].split(" = ")[0] in notebook.cells[index].source
    source = f"FOLDER = Path({str(folder)!r})\n{SMALL[name]}"
    notebook.cells.insert(index + 1, nbformat.v4.new_code_cell(source))
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(PROJECT)}})
    return client.execute()


def test_every_notebook_is_listed_and_executed() -> None:
    names = {path.stem for path in NOTEBOOKS.glob("*.md")} - {"README"}
    assert names == set(SMALL)
    assert all(f"[{name}.md]({name}.md)" in (NOTEBOOKS / "README.md").read_text() for name in names)


def test_bead_scan_to_map(tmp_path: Path) -> None:
    notebook = execute("bead_scan_to_map", tmp_path)
    (fit,) = [
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "acceptance" in output.get("text", "")
    ]
    assert float(fit.split()[1]) == pytest.approx(36, abs=0.5)
    assert "image/png" in notebook.cells[-1].outputs[-1]["data"]
    assert (tmp_path / "model.json").is_file()


def test_own_network(tmp_path: Path) -> None:
    table = execute("own_network", tmp_path).cells[-1].outputs[-1]["data"]["text/plain"]
    assert all(method in table for method in ("three_layers", "stack2_cnn", "wiener"))
    assert pd.read_csv(tmp_path / "three_layers.csv").shape[0] >= 1
