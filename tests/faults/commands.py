"""Further readers: what the commands of foci3d take."""

import io
import json
import zipfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import readers
import yaml
from generators import (
    DTYPES,
    HOSTILE_YAML,
    JSON,
    SIZES,
    damaged,
    edited,
    forged_hdf5,
    forged_safetensors,
    images,
    tables,
)
from harness import Content, Files, Reader
from hypothesis import strategies as st
from readers import one_of

from foci3d import cli
from foci3d.config.models import TrackingConfig
from foci3d.io.archives import read_archive
from foci3d.plots.tracking import show_tracks
from foci3d.reconstruction.imager_correction import Deviation, ImagerCorrection
from foci3d.reconstruction.tracking import Tracks, read_frames

FOCI = [
    ["frame", "layer", "depth_um", "depth_sd_um", "y_um", "x_um"],
    *([str(frame), "1", "100.5", "3", str(40 * focus), "7e1"] for frame in range(3) for focus in range(2)),
]


def foci_files() -> Files:
    return {"foci.csv": "\n".join(",".join(row) for row in FOCI).encode()}


def generated_foci(files: Files) -> st.SearchStrategy[Files]:
    return one_of("foci.csv", tables(FOCI, ","), damaged([files["foci.csv"]]))


def read_foci() -> None:
    tracks = Tracks.from_foci(read_frames(["foci.csv"]), TrackingConfig(max_lateral_um=50, max_depth_um=50, max_gap=1))
    show_tracks(tracks.foci, tracks.summary)


def archive_files() -> Files:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, output=np.ones((2, 3), np.float32), depths_um=np.ones(2))
    return {"entry.npz": buffer.getvalue()}


@st.composite
def forged_archives(draw: st.DrawFn) -> bytes:
    """An archive whose members have unexpected names, shapes, types, headers and compression."""
    buffer, methods = io.BytesIO(), [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in draw(st.lists(st.sampled_from(["output", "depths_um", "other", "../x"]), max_size=3, unique=True)):
            shape, dtype = (
                draw(st.lists(SIZES.filter(lambda n: n < 100), max_size=2)),
                draw(st.sampled_from(DTYPES[:9])),
            )
            member = io.BytesIO()
            np.save(member, np.ones(shape, dtype))
            content = member.getvalue()
            if draw(st.booleans()):
                content = content.replace(b"(1,), }       ", b"(99999999,), }")
            archive.writestr(f"{name}.npy", draw(damaged([content]) | st.just(content)), draw(st.sampled_from(methods)))
    return buffer.getvalue()


def generated_archives(files: Files) -> st.SearchStrategy[Files]:
    return one_of("entry.npz", damaged([files["entry.npz"]]), forged_archives())


def read_entry() -> None:
    arrays = read_archive("entry.npz", ["output", "depths_um"])
    assert all(values.dtype.kind in "biuf" for values in arrays.values())


def imager_files() -> Files:
    return {"imager.yaml": readers.file_bytes(ImagerCorrection(shift_y_px=Deviation(value=1.0)).save)}


def generated_imagers(files: Files) -> st.SearchStrategy[Files]:
    trees = edited(yaml.safe_load(files["imager.yaml"])).map(readers.yaml_bytes)
    hostile = st.sampled_from(HOSTILE_YAML).map(lambda text: files["imager.yaml"] + text.encode())
    return one_of("imager.yaml", trees, hostile, damaged([files["imager.yaml"]]))


def read_imager() -> None:
    imager = ImagerCorrection.load("imager.yaml")
    imager.apply(np.ones((1, 2, 13, 13), np.float32))
    imager.scale_psf(readers.small_psf())


def inspected_files() -> Files:
    model = {name: content for name, content in readers.small_model().items() if name.startswith("model")}
    psf = readers.file_bytes(readers.small_psf().save)
    return {**readers.image_files(), **readers.mat_files(), **model, "psf.h5": psf}


def generated_inspected(files: Files) -> st.SearchStrategy[Files]:
    """Damaged files, forged ones, and content under the name of another format."""
    model = edited(json.loads(files["model.json"])) | JSON
    deep = st.integers(1, 50_000).map(lambda depth: Content(b'{"a":' * depth + b"1" + b"}" * depth))
    forged = [
        one_of("model.json", model.map(lambda tree: json.dumps(tree).encode()), deep),
        one_of("model.safetensors", forged_safetensors(files["model.safetensors"])),
        one_of("psf.h5", forged_hdf5(files["psf.h5"])),
        one_of("image.tif", images(n_axes=2), images(n_axes=3)),
    ]
    names, contents = st.sampled_from([*files]), [*files.values(), archive_files()["entry.npz"]]
    mixed = st.builds(lambda name, content: {name: Content(content)}, names, st.sampled_from(contents))
    return st.one_of(*forged, mixed, *(one_of(name, damaged([content])) for name, content in files.items()))


def inspect() -> None:
    for path in sorted(Path().iterdir()):
        for as_json in (False, True):
            output = io.StringIO()
            with redirect_stdout(output):
                cli.files.inspect(path, json=as_json)
            assert all(line.isprintable() for line in output.getvalue().split("\n"))


READERS: dict[str, Any] = {
    **readers.READERS,
    "foci": Reader(foci_files, generated_foci, read_foci),
    "archive": Reader(archive_files, generated_archives, read_entry),
    "imager": Reader(imager_files, generated_imagers, read_imager),
    "inspect": Reader(inspected_files, generated_inspected, inspect),
}
"""By name."""
