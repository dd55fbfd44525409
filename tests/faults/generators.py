"""Generated files: valid ones with damage, and others that are well-formed but not what a reader expects.

Strategies of Hypothesis. Each draws the content of one file.
"""

import copy
import hashlib
import io
import json
import pickle
import struct
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
import tifffile
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

SIZES = st.sampled_from([0, 1, 2, 3, 4, 13, 51, 2**20, 2**33, 2**50])
SMALL = 10_000
"""Values up to which an array is filled."""
INTEGERS = [0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1]
DTYPES = [
    *("<f4", "<f8", ">f4", "<i8", "u1", "?", "c8", "S5"),
    np.dtype([("a", "<f4"), ("b", "<i8")]),
    h5py.string_dtype(),
    h5py.vlen_dtype(np.float32),
    h5py.ref_dtype,
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(INTEGERS),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["../x", "a;b", "/etc/passwd", "a\nb", "\x1b[2J", "1e3", "", "{x}", "{dataset}", "🔬"]),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


HOSTILE_YAML = [
    "seed: &a [*a]",
    "imager: &a {n_pixels: *a}",
    "\n".join(["k0: &k0 {x: 1}", *(f"k{n}: &k{n} [*k{n - 1}, *k{n - 1}]" for n in range(1, 31))]),
    "\n".join(["k0: &k0 {x: 1}", *(f"k{n}: &k{n} {{<<: [*k{n - 1}, *k{n - 1}], y{n}: 1}}" for n in range(1, 31))]),
    '"\\ud800": 1',
    'results: "\\ud800"',
    'psf: {source: file, file: "a\\0b"}',
    f"psf: {{source: file, file: {'x' * 5000}}}",
    f"reconstruct: {{samples: {'x' * 300}}}",
    f"networks: {{{'x' * 300}: {{}}}}",
    "a: " + "{a: " * 3000,
    "!!python/object/apply:os.system [ls]",
    "seed: !!binary 'AAAA'",
    "seed: !!set {1, 2}",
    "? [a, b]\n: 1",
    "seed: .nan\nn_samples: {train: .inf}",
    "seed: 0x" + "f" * 5000,
    "seed: 1e400\nimager: 2001-12-14t21:59:43.10-05:00",
]
"""Configurations that a loader may not survive, or that hold what no key holds."""


class OpensFile:
    """Creates the file `unpickled` where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, ("unpickled", "w")


PICKLE = pickle.dumps(OpensFile())


@st.composite
def damaged(draw: st.DrawFn, contents: Sequence[bytes]) -> bytes:
    """One of `contents` with flipped bits, forged numbers, pieces that are missing or repeated, or foreign bytes."""
    content = bytearray(draw(st.sampled_from(contents)))
    header = min(len(content), 600)
    for _ in range(draw(st.integers(1, 6))):
        end = draw(st.sampled_from([header, len(content)]))
        place = draw(st.integers(0, max(end - 1, 0)))
        match draw(st.sampled_from(["flip", "number", "cut", "truncate", "repeat", "insert"])):
            case "flip" if place < len(content):
                content[place] ^= 1 << draw(st.integers(0, 7))
            case "number":
                code = draw(st.sampled_from(["<H", ">H", "<I", ">I", "<Q", ">Q"]))
                limit = 256 ** struct.calcsize(code)
                number = struct.pack(code, draw(st.sampled_from(INTEGERS)) % limit)
                content[place : place + len(number)] = number
            case "cut":
                del content[place : place + draw(st.integers(1, 64))]
            case "truncate":
                del content[place:]
            case "repeat":
                content[place:place] = content[place : place + draw(st.integers(1, 64))]
            case "insert":
                content[place:place] = draw(st.sampled_from([b"\0" * 64, PICKLE]) | st.binary(max_size=32))
    return bytes(content)


def edited(tree: Any) -> st.SearchStrategy[Any]:
    """Mapping or list `tree` with some values replaced, removed or added, at any depth."""

    @st.composite
    def draw_tree(draw: st.DrawFn) -> Any:
        changed = copy.deepcopy(tree)
        for _ in range(draw(st.integers(1, 3))):
            parent, node = None, changed
            while isinstance(node, dict | list) and node and (parent is None or draw(st.integers(0, 3))):
                keys = list(node) if isinstance(node, dict) else list(range(len(node)))
                parent, key = node, draw(st.sampled_from(keys))
                node = parent[key]
            if parent is None:
                return draw(JSON)
            match draw(st.sampled_from(["replace", "remove", "rename", "add"])):
                case "replace":
                    parent[key] = draw(JSON)
                case "remove":
                    del parent[key]
                case "rename" if isinstance(parent, dict):
                    parent[draw(st.text(max_size=12) | st.sampled_from(["../x", "a;b"]))] = parent.pop(key)
                case "add" if isinstance(parent, list):
                    parent.append(draw(JSON))
        return changed

    return draw_tree()


@st.composite
def forged_hdf5(draw: st.DrawFn, content: bytes) -> bytes:
    """HDF5 `content` with some arrays and attributes replaced by others, all well-formed."""
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        for _ in range(draw(st.integers(1, 3))):
            names = [*file]
            name = draw(st.sampled_from([*names, "other"]))
            arrays = [key for key in names if isinstance(file.get(key, getlink=True), h5py.HardLink)]
            item = file[draw(st.sampled_from(["/", *arrays]))]
            if draw(st.booleans()):
                _forge_attribute(draw, item)
            else:
                if name in names:
                    del file[name]
                _forge_array(draw, file, name)
    return buffer.getvalue()


def _forge_attribute(draw: st.DrawFn, item: h5py.File | h5py.Dataset) -> None:
    name = draw(st.sampled_from([*item.attrs, "other"]))
    if name in item.attrs:
        del item.attrs[name]
    values = [0, -1, 2**40, 55.0, float("nan"), "text", "a\nb", b"\xff\xfe", [1.0, 2.0], h5py.Empty("f4"), np.True_]
    value = draw(st.sampled_from([None, *values]))
    if value is not None:
        item.attrs[name] = value


def _forge_array(draw: st.DrawFn, file: h5py.File, name: str) -> None:
    """Add an array of unexpected shape, type and storage, or something that is no array."""
    shape = tuple(draw(st.lists(SIZES, max_size=4)))
    dtype, n_values = draw(st.sampled_from(DTYPES)), int(np.prod([float(size) for size in shape]))
    kind = draw(st.sampled_from(["values", "values", "unwritten", "gzip", "outside", "link", "group", "null", "type"]))
    if n_values * 40 >= 2**63:
        kind = "group"
    if kind == "group":
        file.create_group(name)
    elif kind == "link":
        target = [h5py.SoftLink("/" + name), h5py.SoftLink("/none"), h5py.ExternalLink("/etc/passwd", "/x")]
        file[name] = draw(st.sampled_from(target))
    elif kind == "null":
        file[name] = h5py.Empty("f4")
    elif kind == "type":
        file[name] = np.dtype("<f4")
    elif kind == "outside" and not isinstance(dtype, np.dtype):
        file.create_dataset(name, shape, dtype, external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])
    elif kind == "gzip" and shape and 0 not in shape:
        chunks = tuple(min(size, 64) for size in shape)
        file.create_dataset(name, shape, dtype, chunks=chunks, compression="gzip")
    elif kind == "values" and max(shape, default=1) <= SMALL and n_values <= SMALL and dtype != h5py.ref_dtype:
        data = file.create_dataset(name, shape, dtype)
        if np.dtype(dtype).kind in "fiub":
            data[...] = np.ones(shape, dtype)
            data.attrs.update({"axes": "sample", "unit": "1", "sha256": hash_of(data[...])})
    else:
        file.create_dataset(name, shape, dtype)


def hash_of(values: Any) -> str:
    """Digest of values as the files of foci3d have it."""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


COMPRESSIONS = ["zlib", "lzw", "zstd", "lzma", "packbits"]
IMAGEJ = [
    "images=9",
    "cf=0\nc0=-5.0\nc1=2.0",
    "cf=3",
    "unit=cm",
    "finterval=nan\ntunit=d",
    "frames=2\nslices=7",
    "hyperstack=true",
]
TIFF_VARIANTS: list[dict[str, Any]] = [
    *({}, {"ome": True}, {"tile": (16, 16)}, {"bigtiff": True}, {"shaped": False}, {"photometric": "miniswhite"}),
    *({"compression": name} for name in COMPRESSIONS),
    *({"description": f"ImageJ=1.54f\n{text}\n", "metadata": None} for text in IMAGEJ),
    {"ome": True, "metadata": {"PhysicalSizeX": -1.0, "PhysicalSizeXUnit": "pixel", "TimeIncrement": 1e308}},
]
"""How a TIFF may be written."""

TAGS = [
    *((274, 3, 1, orientation, True) for orientation in (0, 2, 5, 6, 9)),
    *((code, 3, 1, value, True) for code, value in ((290, 7), (301, 3), (339, 3), (433, 1))),
    *((code, 2, 0, text, True) for code, text in ((42113, "-9999"), (42112, "<GDAL>"), (270, "<OME><Image/></OME>"))),
]
"""Tags of a TIFF, as tifffile writes them: code, type, count, value and whether they belong to the first page alone."""


@st.composite
def images(draw: st.DrawFn, n_axes: int) -> bytes:
    """A well-formed TIFF or PNG of unexpected shape, type, compression or values."""
    sizes = [51, *draw(st.lists(st.sampled_from([1, 2, 3, 4, 51, 52]), min_size=n_axes - 1, max_size=n_axes))]
    dtype = draw(st.sampled_from(["u1", "<u2", ">u2", "<i4", "<f4", "<f8", "?", "c8", "<f2"]))
    fill = draw(st.sampled_from([0, 1, 100, 255, 70000, np.nan, np.inf, -1]))
    rng = np.random.default_rng(draw(st.integers(0, 3)))
    with np.errstate(all="ignore"):
        values = np.where(rng.random(sizes) < 0.9, rng.random(sizes) * 200, fill).astype(dtype)
    buffer = io.BytesIO()
    if dtype == "u1" and len(sizes) == 2 and draw(st.booleans()):
        mode = draw(st.sampled_from(["L", "P", "1", "RGB", "LA"]))
        Image.fromarray(values).convert(mode).save(buffer, "PNG")
        return buffer.getvalue()
    options = {} if dtype in ("?", "c8", "<f2") else draw(st.sampled_from(TIFF_VARIANTS))
    tags = draw(st.lists(st.sampled_from(TAGS), max_size=2))
    tifffile.imwrite(buffer, values, **{"photometric": "minisblack", **options}, extratags=tags)
    return buffer.getvalue()


@st.composite
def tables(draw: st.DrawFn, rows: Sequence[Sequence[str]], delimiter: str) -> bytes:
    """A table of text with some cells replaced, missing or added."""
    changed = [list(row) for row in rows]
    cells = st.text(max_size=12) | SCALARS.map(str) | st.sampled_from(["../x", "a;b", "a b", "con", '"', "\0", "1e999"])
    for _ in range(draw(st.integers(1, 4))):
        row = draw(st.sampled_from(changed))
        column = draw(st.integers(0, len(row)))
        row[column : column + draw(st.integers(0, 1))] = draw(st.lists(cells, max_size=2))
    text = draw(st.sampled_from(["\n", "\r\n", "\n\n"])).join(delimiter.join(row) for row in changed)
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-16", "latin-1"]))
    return text.encode(encoding, "replace" if encoding == "latin-1" else "surrogatepass")


@st.composite
def forged_mat(draw: st.DrawFn, variables: dict[str, Any]) -> bytes:
    """A MATLAB file of version 5 with some variables of unexpected shape or type."""
    changed = dict(variables)
    shapes = st.lists(st.sampled_from([0, 1, 2, 4, 51]), min_size=1, max_size=4)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from([*variables, "other"]))
        small = np.ones(draw(shapes.filter(lambda shape: np.prod(shape) <= SMALL)))
        values = [small, small > 0, small * 1j, small.astype(np.uint8), "text", {"a": small}, [small, "x"], np.nan]
        changed[name] = draw(st.sampled_from([*values, np.array([small, "x"], object)[:1]]))
    buffer = io.BytesIO()
    savemat(buffer, changed, do_compression=draw(st.booleans()))
    return buffer.getvalue()


@st.composite
def forged_safetensors(draw: st.DrawFn, content: bytes) -> bytes:
    """Safetensors with an edited header."""
    size = struct.unpack("<Q", content[:8])[0]
    header = draw(edited(json.loads(content[8 : 8 + size])))
    text = json.dumps(header).encode()
    return struct.pack("<Q", draw(st.sampled_from([len(text)] * 5 + INTEGERS))) + text + content[8 + size :]
