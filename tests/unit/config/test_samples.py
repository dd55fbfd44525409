from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import tifffile

from foci3d.config.fields import Specimen
from foci3d.config.imager import ImagerConfig
from foci3d.config.samples import read_samples, split_array_name
from foci3d.errors import InputError

COLUMNS = ["sample", "sensor_a", "sensor_b", "pixel_pitch_um", "description"]
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
    assert samples["one"].model_dump(exclude_defaults=True) == {
        "sample": "one",
        "sensor_a": "a.tif",
        "sensor_b": "b.tif",
        "pixel_pitch_um": 55.0,
        "description": "two words",
    }
    assert samples["two-2"].sensors == ["b.tif", "a.tif"]


def test_optional_columns_in_any_order(folder: Path) -> None:
    header = ["sample", "pixel_pitch_um", "mirrored", "frame_interval_s", "sensor_a", "sensor_b", "dark_a", "flat_b"]
    path = folder / "samples.tsv"
    path.write_text("\t".join(header) + "\none\t55\tyes\t0.5\ta.tif\tb.tif\tb.tif\ta.tif\ntwo\t55\t\t\ta.tif\tb.tif\n")
    one, two = read_samples(path, IMAGER, "AB").values()
    assert (one.mirrored, one.frame_interval_s, one.dark_a, one.dark_b, one.flat_b) == (
        "yes",
        0.5,
        "b.tif",
        "",
        "a.tif",
    )
    assert one.files == ["a.tif", "b.tif"]
    assert (two.mirrored, two.frame_interval_s, two.files) == ("no", None, ["a.tif", "b.tif"])


@pytest.mark.parametrize("location", ["c.h5:/lzf", "c.h5:lzf", "c.h5:/lzf/"])
def test_an_array_is_named_with_and_without_a_slash(location: str) -> None:
    path, name = split_array_name(location)
    assert (path, name.strip("/")) == ("c.h5", "lzf")


def test_an_array_of_a_file(folder: Path) -> None:
    (folder / "both.h5").touch()
    one = read_samples(table(folder, "one both.h5:/x/a both.h5:/x/b 55 x"), IMAGER, "AB")["one"]
    assert one.sensors == ["both.h5:/x/a", "both.h5:/x/b"]
    assert one.files == ["both.h5"]
    assert split_array_name("s3:/both.tif") == ("s3:/both.tif", "")


def test_one_sensor_and_no_rows(folder: Path) -> None:
    path = table(folder)
    path.write_text(path.read_text() + "\none\ta.tif\t\t55\t\n")
    assert read_samples(path, IMAGER, "A")["one"].sensors == ["a.tif"]
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


@pytest.mark.parametrize(
    ("column", "value", "sensors", "message"),
    [
        ("dark_b", "no.tif", "AB", "dark_b is no.tif, which does not exist"),
        ("truth", "no.csv", "AB", "truth is no.csv, which does not exist"),
        ("specimen", "tissue", "AB", "specimen is tissue; expected one of auto, layers, cells, volume;"),
        ("mirrored", "true", "AB", "mirrored is true; expected yes or no"),
        ("frame_interval_s", "-1", "AB", "frame_interval_s is -1; expected a positive number"),
        ("frame_interval_s", "nan", "AB", "frame_interval_s is nan"),
        ("mirrored", "yes", "A", "there is no sensor_b for dark_b, flat_b, defects_b or mirrored"),
    ],
)
def test_problem_of_an_optional_column(folder: Path, column: str, value: str, sensors: str, message: str) -> None:
    path = folder / "samples.tsv"
    sensor_b = "b.tif" if sensors == "AB" else ""
    path.write_text(f"sample\tsensor_a\tsensor_b\tpixel_pitch_um\t{column}\none\ta.tif\t{sensor_b}\t55\t{value}\n")
    with pytest.raises(InputError, match=message):
        read_samples(path, IMAGER, sensors)


@pytest.mark.parametrize("specimen", ["", *get_args(Specimen)])
def test_a_row_may_have_any_kind_of_specimen(folder: Path, specimen: str) -> None:
    path = folder / "samples.tsv"
    path.write_text(f"sample\tsensor_a\tsensor_b\tpixel_pitch_um\tspecimen\none\ta.tif\tb.tif\t55\t{specimen}\n")
    assert read_samples(path, IMAGER, "AB")["one"].specimen == specimen


def test_problem_of_the_table(folder: Path) -> None:
    with pytest.raises(InputError, match=r"none\.tsv: not a readable table"):
        read_samples("none.tsv", IMAGER, "AB")
    with pytest.raises(InputError, match="the columns are sample, a; expected sample, sensor_a"):
        read_samples(table(folder, columns=["sample", "a"]), IMAGER, "AB")
    with pytest.raises(InputError, match="the columns are sample, sensor_a, pixel_pitch_um, mirored; expected"):
        read_samples(table(folder, columns=["sample", "sensor_a", "pixel_pitch_um", "mirored"]), IMAGER, "AB")
    with pytest.raises(InputError, match="sample one is listed twice"):
        read_samples(table(folder, "one a.tif b.tif 55 x", "one a.tif b.tif 55 x"), IMAGER, "AB")


def test_a_row_for_each_channel(folder: Path) -> None:
    columns = ["sample", "sensor_a", "pixel_pitch_um", "channel"]
    path = table(folder, "one a.tif 55 red", "one b.tif 55 green", "two a.tif 55 ", columns=columns)
    found = read_samples(path, IMAGER, "A")
    assert [*found] == ["one/red", "one/green", "two"]
    assert found["one/green"].sensors == ["b.tif"]
    with pytest.raises(InputError, match="sample one has rows with a channel and one without"):
        read_samples(table(folder, "one a.tif 55 red", "one b.tif 55 ", columns=columns), IMAGER, "A")
    with pytest.raises(InputError, match="channel is a/b; expected a name like that of a sample"):
        read_samples(table(folder, "one a.tif 55 a/b", columns=columns), IMAGER, "A")
