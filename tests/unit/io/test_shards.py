import numpy as np
import pytest
import torch

from foci3d.errors import InputError
from foci3d.io import hdf5, shards
from foci3d.io.samples import Samples

READERS = [shards.read_shards, lambda paths: shards.map_shards(paths, torch.device("cpu"))]


def make_samples(rows, moving=False, n_pixels=5, seed=0):
    rng = np.random.default_rng(seed)
    lengths = {"sample": len(rows), "layer": 3, "sensor": 2, "y": n_pixels, "x": n_pixels}
    arrays = {
        name: rng.integers(0, 99, [lengths[axis] for axis in axes.split()]).astype(dtype)
        for name, (dtype, axes, _) in shards.ARRAYS.items()
        if moving or name not in ("sequence", "step", "cluster")
    }
    return Samples(**{**arrays, "index": np.array(rows)})


def write_shard(path, rows, **options):
    samples = make_samples(rows, **options)
    shards.write(path, [samples[:1], samples[1:3], samples[3:]], len(samples), {"dataset": "stack", "psf": "f00"})
    return samples


@pytest.fixture
def pair(tmp_path):
    """Two shards, and their arrays joined."""
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    parts = [write_shard(paths[0], range(4), moving=True), write_shard(paths[1], range(4, 9), moving=True, seed=1)]
    joined = {name: np.concatenate([part.arrays()[name] for part in parts]) for name in shards.ARRAYS}
    return paths, joined


def test_arrays_come_back_joined(pair):
    paths, joined = pair
    samples = shards.read_shards(paths)
    assert samples.arrays().keys() == joined.keys()
    for name, values in samples.arrays().items():
        np.testing.assert_array_equal(values, joined[name])
    assert shards.read_attributes(paths[0]) == {"dataset": "stack", "psf": "f00"}


def test_rows_are_those_of_all_shards(pair):
    paths, joined = pair
    mapped = shards.map_shards(paths, torch.device("cpu"))
    layers = torch.from_numpy(joined["layers"])
    assert mapped.layers.shape == layers.shape
    for numbers in (torch.tensor([8, 0, 3, 4, 4]), torch.tensor([[5, 1], [2, 7]]), torch.tensor(6)):
        assert torch.equal(mapped.layers[numbers], layers[numbers])
        assert torch.equal(mapped.index[numbers], numbers)
    assert torch.equal(mapped.layers.load(), layers)
    assert torch.equal(mapped.layers.flatten()[numbers], layers.flatten(0, 1)[numbers])


def test_mapped_shards_stay_as_they_are(tmp_path):
    path = tmp_path / "a.h5"
    write_shard(path, range(4))
    content = path.read_bytes()
    shards.map_shards([path], torch.device("cpu")).layers[torch.arange(4)].zero_()
    assert path.read_bytes() == content


def test_attributes(config):
    found = shards.attributes("stack2", "test", 1, config.datasets["stack2"], config.imager, source="synthetic", seed=7)
    assert found == {
        "dataset": "stack2",
        "split": "test",
        "shard": 1,
        "sensors": "AB",
        "pixel_pitch_um": 55.0,
        "sensor_separation_um": 1000.0,
        "source": "synthetic",
        "seed": 7,
    }


def test_shards_are_grouped_by_dataset(tmp_path):
    paths = [tmp_path / f"{number}.h5" for number in range(3)]
    for path, name in zip(paths, ("one", "two", "one"), strict=True):
        shards.write(path, [make_samples(range(2))], 2, {"dataset": name})
    assert shards.group_by_dataset(paths) == {"one": [paths[0], paths[2]], "two": [paths[1]]}


def test_blocks_are_written_as_one(tmp_path):
    samples = write_shard(tmp_path / "blocks.h5", range(4))
    shards.write(tmp_path / "whole.h5", [samples], 4, {"dataset": "stack", "psf": "f00"})
    assert (tmp_path / "whole.h5").read_bytes() == (tmp_path / "blocks.h5").read_bytes()


def test_a_shard_without_an_array_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    arrays = {"layers": hdf5.LabelledArray(np.zeros((2, 1, 3, 3), np.float32), "sample layer y x")}
    hdf5.write(path, shards.FORMAT, arrays, {})
    with pytest.raises(InputError, match=r"a.h5: expected an array 'masks', found layers"):
        shards.read_shards([path])


def test_damage_is_noticed(tmp_path):
    path = tmp_path / "a.h5"
    write_shard(path, range(4))
    with hdf5.open_checked(path, shards.FORMAT) as file:
        place = file["measurements"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[place + 2] ^= 1
    path.write_bytes(content)
    for read in READERS:
        with pytest.raises(InputError, match=r"a.h5: the file is damaged \(array 'measurements' does not match"):
            read([path])


@pytest.mark.parametrize("read", READERS)
def test_shards_that_do_not_fit_are_refused(tmp_path, read):
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    write_shard(paths[0], range(4))
    write_shard(paths[1], range(4, 8), n_pixels=6)
    with pytest.raises(
        InputError, match=r"b.h5: the shapes of a sample are .* 6, 6.*; expected .* 5, 5.* as in .*a.h5"
    ):
        read(paths)
    with pytest.raises(InputError, match=r"c.h5: file not found"):
        read([tmp_path / "c.h5"])


@pytest.mark.parametrize(("samples", "count", "multiple"), [(1000, 7, 1), (400, 3, 4), (10, 10, 1), (5, 1, 1)])
def test_shard_rows_cover_the_split_in_order(samples, count, multiple):
    rows = [shards.shard_rows(samples, count, shard, multiple) for shard in range(count)]
    assert [row for part in rows for row in part] == list(range(samples))
    assert all(part.start % multiple == 0 for part in rows)
    sizes = {len(part) for part in rows}
    assert max(sizes) - min(sizes) <= multiple
