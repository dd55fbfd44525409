from pathlib import Path

import numpy as np
import pytest
import tifffile

from foci3d.config.models import ImagerConfig
from foci3d.config.samples import COLUMNS, read_samples
from foci3d.errors import InputError

IMAGER = ImagerConfig(n_pixels=51, pixel_pitch_um=55.0, sensor_separation_um=1000.0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(name, np.zeros((51, 51), np.uint16))
    return tmp_path


def table(folder: Path, *rows: str, columns: list[str] = COLUMNS) -> Path:
    path = folder / "samples.tsv"
    path.write_text("\n".join(["\t".join(columns), *(row.replace(" ", "\t", 4) for row in rows)]))
    return path


def test_reads_the_acquisitions(folder: Path) -> None:
    rows = ("one a.tif b.tif 55 two words", "# a comment", "two-2 b.tif a.tif 55.0 x")
    samples = read_samples(table(folder, *rows), IMAGER, "AB")
    assert list(samples) == ["one", "two-2"]
    assert samples["one"].model_dump() == {
        "sample": "one",
        "sensor_a": "a.tif",
        "sensor_b": "b.tif",
        "pixel_pitch_um": 55.0,
        "description": "two words",
    }
    assert samples["two-2"].images == ["b.tif", "a.tif"]


def test_one_sensor_and_no_rows(folder: Path) -> None:
    path = table(folder)
    path.write_text(path.read_text() + "\none\ta.tif\t\t55\t\n")
    assert read_samples(path, IMAGER, "A")["one"].images == ["a.tif"]
    assert read_samples(table(folder), IMAGER, "AB") == {}


@pytest.mark.parametrize(
    ("row", "sensors", "parts"),
    [
        ("one no.tif b.tif 55 x", "AB", ["sample one", "sensor_a is no.tif", "does not exist"]),
        ("../one a.tif b.tif 55 x", "AB", ["sample ../one", "the name becomes a folder"]),
        ("1one a.tif b.tif 55 x", "AB", ["the name becomes a folder"]),
        ("one a.tif b.tif 50 x", "AB", ["pixel_pitch_um is 50", "expected 55"]),
        ("one a.tif b.tif wide x", "AB", ["pixel_pitch_um is wide"]),
        ("one a.tif  55 x", "AB", ["sensor_b is empty", "sensors AB"]),
        ("one a.tif b.tif 55 x", "A", ["sensor A alone"]),
        ("one a.tif b.tif 55 x\ty", "AB", ["sample one", "6 cells; expected 5"]),
    ],
)
def test_problem_of_a_row(folder: Path, row: str, sensors: str, parts: list[str]) -> None:
    path = table(folder, row)
    with pytest.raises(InputError) as error:
        read_samples(path, IMAGER, sensors)
    for part in ["samples.tsv", *parts]:
        assert part in str(error.value)


def test_problem_of_the_table(folder: Path) -> None:
    with pytest.raises(InputError, match=r"none\.tsv: not a readable table"):
        read_samples("none.tsv", IMAGER, "AB")
    with pytest.raises(InputError, match="the columns are sample, a; expected sample, sensor_a"):
        read_samples(table(folder, columns=["sample", "a"]), IMAGER, "AB")
    with pytest.raises(InputError, match="sample one is listed twice"):
        read_samples(table(folder, "one a.tif b.tif 55 x", "one a.tif b.tif 55 x"), IMAGER, "AB")
