"""Every reader of foci3d with files that it accepts, and strategies for files that it may meet."""

import hashlib
import io
import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
import tifffile
import torch
import yaml
from descriptions import small_description
from generators import (
    HOSTILE_YAML,
    PICKLE,
    OpensFile,
    damaged,
    edited,
    forged_hdf5,
    forged_mat,
    forged_safetensors,
    images,
    tables,
)
from harness import Content, Files, Reader
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save
from scipy.io import savemat
from snakemake.utils import update_config

from foci3d.calibration.bead_scan import find_beads, read_scan
from foci3d.calibration.kernel_file import read_kernel_stack
from foci3d.config import validation
from foci3d.config.models import Config
from foci3d.config.samples import Acquisition, read_samples
from foci3d.config.tasks import TASKS
from foci3d.io import matlab, predictions, shards
from foci3d.io.images import read_acquisition
from foci3d.io.model_files import ModelFiles
from foci3d.io.samples import Outputs, Samples
from foci3d.io.volume_file import Volume, read_volume, write_volume
from foci3d.learning.datasets import open_dataset
from foci3d.learning.model import load_model
from foci3d.learning.model_file import save_model
from foci3d.learning.networks import build_network, load_encoder
from foci3d.learning.released import released_model
from foci3d.optics.psf import PSF
from foci3d.reconstruction.volume import reconstruct

PROJECT = Path(__file__).parents[2]
N_PIXELS = 51


@cache
def smoke_config() -> dict[str, Any]:
    """The configuration of the smoke run, before it is checked."""
    config = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
    update_config(config, yaml.safe_load((PROJECT / "config" / "smoke.yaml").read_text()))
    return config


def one_of(
    name: str, *strategies: st.SearchStrategy[bytes], others: Files = MappingProxyType({})
) -> st.SearchStrategy[Files]:
    """File `name` with content from one of the strategies, beside other files."""
    return st.one_of(*strategies).map(lambda content: {**others, name: Content(content)})


def yaml_bytes(tree: Any) -> bytes:
    return yaml.safe_dump(tree, allow_unicode=True).encode()


def config_files() -> Files:
    config = smoke_config()
    reconstruct = {**config["reconstruct"], "samples": "samples.tsv"}
    return {"config.yaml": yaml_bytes({**config, "reconstruct": reconstruct}), "samples.tsv": b""}


def generated_configs(files: Files) -> st.SearchStrategy[Files]:
    trees = edited(yaml.safe_load(files["config.yaml"]))
    hostile = st.sampled_from(HOSTILE_YAML).map(str.encode)
    texts = hostile | hostile.map(lambda text: files["config.yaml"] + b"\n" + text) | damaged([files["config.yaml"]])
    return one_of("config.yaml", trees.map(yaml_bytes), texts, others={"samples.tsv": b""})


def read_config() -> None:
    config = validation.read_config(["config.yaml"])
    names = [*config.networks, *config.datasets, *config.baselines]
    assert all(name.isidentifier() and name.isascii() for name in names)


ROWS = [
    ["sample", "sensor_a", "sensor_b", "pixel_pitch_um", "mirrored", "dark_a", "frame_interval_s", "description"],
    ["first", "a.tif", "b.tif", "55", "yes", "a.tif", "0.5", "two sensors"],
    ["second", "a.tif", "b.h5:/image", "55.0", "", "", "", ""],
]


def sample_files() -> Files:
    table = "\n".join("\t".join(row) for row in ROWS)
    return {"samples.tsv": table.encode(), "a.tif": b"", "b.tif": b"", "b.h5": b""}


def generated_samples(files: Files) -> st.SearchStrategy[Files]:
    return one_of("samples.tsv", tables(ROWS, "\t"), damaged([files["samples.tsv"]]), others=files)


def read_sample_table() -> None:
    imager = Config.model_validate(smoke_config()).imager
    for name in read_samples("samples.tsv", imager, "AB"):
        assert Path("results", name).resolve().parent == Path("results").resolve()
        assert name.isascii()
        assert name.replace("-", "_").isidentifier()


def grey_image() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 60000, (N_PIXELS, N_PIXELS)).astype(np.uint16)


def tiff_bytes(values: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, photometric="minisblack", **options)
    return buffer.getvalue()


def image_files() -> Files:
    png, npy, h5, mat = (io.BytesIO() for _ in range(4))
    Image.fromarray(grey_image()).save(png, "PNG")
    np.save(npy, grey_image())
    savemat(mat, {"tumorImage_withPSF_A": grey_image()})
    with h5py.File(h5, "w") as file:
        file.create_dataset("image", data=grey_image(), compression="gzip")
    variants = {"plain": {}, "zlib": {"compression": "zlib"}, "ome": {"ome": True}, "tiles": {"tile": (16, 16)}}
    files = {f"{name}.tif": tiff_bytes(grey_image(), **options) for name, options in variants.items()}
    others = {"image.png": png, "image.npy": npy, "image.h5": h5, "image.mat": mat}
    return {**files, **{name: buffer.getvalue() for name, buffer in others.items()}}


def generated_images(files: Files) -> st.SearchStrategy[Files]:
    names = st.sampled_from(["image.tif", "image.png", "image.npy", "image.h5", "image.mat"])
    unpickling = io.BytesIO()
    np.save(unpickling, np.array([OpensFile()]), allow_pickle=True)
    contents = [st.sampled_from(list(files.values())), damaged([*files.values()]), images(n_axes=2)]
    forged = one_of("image.h5", forged_hdf5(files["image.h5"])) | one_of("image.npy", st.just(unpickling.getvalue()))
    damages = [one_of(name, damaged([content])) for name, content in files.items()]
    mixed = st.builds(lambda name, content: {name: Content(content)}, names, st.one_of(contents))
    return st.one_of(*damages, one_of("image.tif", images(n_axes=2)), mixed, forged)


def read_images() -> None:
    for path in sorted(Path().iterdir()):
        row = Acquisition(sample="x", sensor_a=str(path), pixel_pitch_um=55.0)
        measurements = read_acquisition(row, N_PIXELS)
        assert min(measurements.values.shape[-2:]) >= N_PIXELS
        assert np.isfinite(measurements.values).all()


SCAN_DEPTHS = [["depth_um"], ["100"], ["200"], ["300.5"]]


def scan_files() -> Files:
    y, x = np.mgrid[:51, :51] - 25
    beads = [1e4 * np.exp(-(y**2 + x**2) / (2 * width**2)) + 100 for width in (1.5, 3, 4)]
    frames = np.random.default_rng(0).poisson(beads).astype(np.uint16)
    return {"scan.tif": tiff_bytes(frames), "depths.csv": "\n".join(row[0] for row in SCAN_DEPTHS).encode()}


def generated_scans(files: Files) -> st.SearchStrategy[Files]:
    frames = one_of("scan.tif", damaged([files["scan.tif"]]), images(n_axes=3), others=files)
    depths = one_of("depths.csv", tables(SCAN_DEPTHS, ","), damaged([files["depths.csv"]]), others=files)
    return frames | depths


def read_bead_scan() -> None:
    find_beads(read_scan("scan.tif", "depths.csv", 55.0, 65535.0)[0])


@cache
def small_psf() -> PSF:
    kernels = torch.ones(3, 25, 25) / 625
    return PSF(kernels, torch.tensor([0.0, 500.0, 1000.0]), 55.0, {"source": "optics"})


def file_bytes(write: Callable[[Path], object]) -> bytes:
    """Content of a file that `write` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file.h5")
        write(path)
        return path.read_bytes()


def hdf5_files(name: str, write: Callable[[Path], object]) -> Callable[[], Files]:
    return lambda: {name: file_bytes(write)}


def generated_hdf5(files: Files) -> st.SearchStrategy[Files]:
    ((name, content),) = files.items()
    return one_of(name, damaged([content]), forged_hdf5(content))


def small_shard(path: Path) -> None:
    config = Config.model_validate(smoke_config())
    rng = np.random.default_rng(0)
    stack = rng.random((3, 2, 13, 13)).astype(np.float32)
    samples = Samples(
        layers=stack,
        masks=(stack > 0.5).astype(np.uint8),
        measurements=stack,
        depths_um=np.tile(np.float32([100, 200]), (3, 1)),
        index=np.arange(3),
    )
    attributes = shards.attributes("stack2", "train", 0, config.datasets["stack2"], config.imager, source="x.mat")
    shards.write(path, [samples], len(samples), attributes)


def read_shard() -> None:
    dataset = open_dataset("shard.h5")
    arrays = shards.read_shards(["shard.h5"]).arrays()
    assert len({len(values) for values in arrays.values()}) == 1
    shards.read_attributes("shard.h5")
    assert {name: values.shape for name, values in dataset.load().arrays().items()} == {
        name: values.shape for name, values in arrays.items()
    }


def small_predictions(path: Path) -> None:
    output = np.random.default_rng(0).random((3, 2, 13, 13)).astype(np.float32)
    predictions.Predictions(
        network="network",
        dataset="stack2",
        task="masks",
        samples=Samples(layers=output, masks=output, depths_um=output[:, :, 0, 0], measurements=output),
        outputs=Outputs(output=output),
        target=(output > 0.5).astype(np.uint8),
    ).save(path)


def small_volume(path: Path) -> None:
    rng = np.random.default_rng(0)
    probability, measurement = rng.random((2, 3, 13, 13), np.float32), rng.random((2, 2, 13, 13), np.float32)
    depths_um = np.tile([100.0, 200.0, 300.0], (2, 1))
    write_volume(path, Volume(probability, probability > 0.5, measurement, depths_um, depths_um / 10, 55.0, (0, 1000)))


def volume_files() -> Files:
    return {"volume.ome.tif": file_bytes(small_volume)}


def generated_volumes(files: Files) -> st.SearchStrategy[Files]:
    return one_of("volume.ome.tif", damaged([files["volume.ome.tif"]]), images(n_axes=3))


def read_volume_file() -> None:
    volume = read_volume("volume.ome.tif")
    assert volume.probability.shape == volume.mask.shape
    assert volume.depths_um.shape == volume.depth_sds_um.shape == volume.mask.shape[:2]


def small_kernels(path: Path) -> None:
    kernels = np.zeros(small_psf().kernels.shape)
    kernels[:, kernels.shape[1] // 2, kernels.shape[2] // 2] = 1
    with h5py.File(path, "w") as file:
        file["kernels"] = kernels
        file["depths_um"] = small_psf().depths_um.numpy()
        file.attrs["pixel_pitch_um"] = 55.0


def mat_variables() -> dict[str, Any]:
    depths_mm = np.array([[0.11, 0.37, 0.6, 0.86]])
    stack = np.random.default_rng(0).integers(0, 2, (1, 4, N_PIXELS, N_PIXELS))
    return {
        "tumorImage_noPSF": stack,
        "tumorImage_withPSF_A": stack[:, 0],
        "tumorImage_withPSF_B": stack[:, 1],
        "depth_map": stack * depths_mm[..., None, None],
        "zdist_PSF": depths_mm,
    }


def mat_files() -> Files:
    compressed, plain = io.BytesIO(), io.BytesIO()
    savemat(compressed, mat_variables(), do_compression=True)
    savemat(plain, mat_variables())
    return {"compressed.mat": compressed.getvalue(), "plain.mat": plain.getvalue(), "newer.mat": newer_mat()}


def newer_mat() -> bytes:
    """A file of version 7.3: HDF5 with the axes in reverse, behind a header of 512 bytes."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        for name, values in mat_variables().items():
            data = file.create_dataset(name, data=values.T, compression="gzip")
            data.attrs["MATLAB_class"] = np.bytes_("double")
    return b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + buffer.getvalue()[128:]


def with_mat_header(content: bytes) -> bytes:
    return b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + content[128:]


def generated_mat(files: Files) -> st.SearchStrategy[Files]:
    newer = forged_hdf5(files["newer.mat"]).map(with_mat_header)
    return one_of("file.mat", damaged([*files.values()]), forged_mat(mat_variables()), newer)


def read_mat() -> None:
    dataset = Config.model_validate(smoke_config()).datasets["stack2"]
    for path in sorted(Path().iterdir()):
        arrays = matlab.read_stacks(path, dataset, N_PIXELS)
        assert arrays.layers.shape[1:] == (4, N_PIXELS, N_PIXELS)


def small_model() -> Files:
    description = small_description(Config.model_validate(smoke_config()))
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "model.json"), Path(folder, "model.safetensors")
        save_model(description.build_network(), description, *paths)
        files = {path.name: path.read_bytes() for path in paths}
    return {**files, "model.recalibration.json": small_recalibration(files["model.json"])}


def small_recalibration(description: bytes) -> bytes:
    """That of a released model, for three layers."""
    values = json.loads(ModelFiles(released_model("two_sensors")).recalibration.read_text())
    for part in (values["probabilities"], values["depth_sds"]):
        part.update({name: numbers[:3] for name, numbers in part.items() if isinstance(numbers, list)})
    return json.dumps({**values, "weights": json.loads(description)["digests"]["weights"]}).encode()


def with_digest(files: Files) -> Files:
    """A model whose description has the digest of its weights, so that these are read."""
    try:
        description = json.loads(files["model.json"])
        description["digests"]["weights"] = hashlib.sha256(files["model.safetensors"]).hexdigest()[:16]
    except (ValueError, TypeError, KeyError, RecursionError):
        return files
    return {**files, "model.json": json.dumps(description).encode()}


def generated_models(files: Files) -> st.SearchStrategy[Files]:
    description, weights = files["model.json"], files["model.safetensors"]
    trees = edited(json.loads(description)).map(lambda tree: json.dumps(tree).encode())
    nested = st.just(Content(b'{"a":' * 100_000))
    descriptions = one_of("model.json", trees, trees, damaged([description]), nested, others=files)
    others = one_of("model.safetensors", damaged([weights]), forged_safetensors(weights), st.just(PICKLE), others=files)
    recalibration = edited(json.loads(files["model.recalibration.json"])).map(lambda tree: json.dumps(tree).encode())
    recalibrations = one_of("model.recalibration.json", recalibration, others=files)
    return descriptions | others.map(with_digest) | others | recalibrations


def read_model_files() -> None:
    model = load_model("model.json", psf=small_psf())
    description = model.description
    shape = (description.in_channels, description.n_pixels, description.n_pixels)
    measurement = np.random.default_rng(0).random(shape, np.float32)
    assert len(model.predict(measurement[None]).output) == 1
    if TASKS[description.task].predicts_cells:
        reconstruct(measurement, model)


@cache
def encoder() -> torch.nn.Module:
    architecture = Config.model_validate(smoke_config()).networks["stack2_resnet"].architecture
    return build_network(architecture, 2, 4, N_PIXELS).get_submodule("encoder")


def encoder_files() -> Files:
    return weight_files({name: values.contiguous() for name, values in encoder().state_dict().items()})


def weight_files(weights: dict[str, torch.Tensor]) -> Files:
    buffer, older = io.BytesIO(), io.BytesIO()
    torch.save(weights, buffer)
    torch.save(weights, older, _use_new_zipfile_serialization=False)
    return {"encoder.safetensors": save(weights), "encoder.pt": buffer.getvalue(), "older.pt": older.getvalue()}


def generated_encoders(files: Files) -> st.SearchStrategy[Files]:
    small = weight_files({"conv1.weight": torch.ones(2, 2), "bn1.bias": torch.ones(3)})
    names = st.sampled_from([*files])
    contents = damaged([*small.values()]) | st.just(PICKLE)
    return st.builds(lambda name, content: {name: Content(content)}, names, contents)


def read_encoder() -> None:
    for path in sorted(Path().iterdir()):
        load_encoder(encoder(), path)


def read_predictions() -> None:
    predictions.Predictions.load("predictions.h5")


def read_psf() -> None:
    PSF.load("psf.h5")


def read_kernels() -> None:
    read_kernel_stack("kernels.h5", 13, 55.0)


READERS = {
    "configuration": Reader(config_files, generated_configs, read_config, lists_problems=True),
    "samples": Reader(sample_files, generated_samples, read_sample_table),
    "image": Reader(image_files, generated_images, read_images),
    "scan": Reader(scan_files, generated_scans, read_bead_scan),
    "shard": Reader(hdf5_files("shard.h5", small_shard), generated_hdf5, read_shard),
    "predictions": Reader(hdf5_files("predictions.h5", small_predictions), generated_hdf5, read_predictions),
    "volume": Reader(volume_files, generated_volumes, read_volume_file),
    "psf": Reader(hdf5_files("psf.h5", small_psf().save), generated_hdf5, read_psf),
    "kernels": Reader(hdf5_files("kernels.h5", small_kernels), generated_hdf5, read_kernels),
    "mat": Reader(mat_files, generated_mat, read_mat),
    "model": Reader(small_model, generated_models, read_model_files),
    "encoder": Reader(encoder_files, generated_encoders, read_encoder),
}
