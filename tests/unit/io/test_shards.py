import numpy as np
import pytest
import torch

from foci3d.errors import InputError
from foci3d.io import hdf5, shards

READERS = [shards.read_shards, lambda paths: shards.map_shards(paths, ["layers", "sensors"], torch.device("cpu"))]


def write_shard(path, rows, moving=False, n_pixels=5, seed=0):
    rng = np.random.default_rng(seed)
    specs = shards.array_specs(len(rows), 3, 2, n_pixels, moving)
    arrays = {name: rng.integers(0, 99, spec.shape).astype(spec.dtype) for name, spec in specs.items()}
    arrays["index"] = np.array(rows)
    with shards.open_writer(path, specs, {"dataset": "stack", "psf": "f00"}) as writer:
        for name, values in arrays.items():
            for block in np.array_split(values, 3):
                writer.put(name, block)
    return arrays


def test_arrays_come_back_joined(tmp_path):
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    first, second = (
        write_shard(paths[0], range(4), moving=True),
        write_shard(paths[1], range(4, 9), moving=True, seed=1),
    )
    arrays = shards.read_shards(paths)
    assert set(arrays) == set(first)
    for name, values in arrays.items():
        np.testing.assert_array_equal(values, np.concatenate([first[name], second[name]]))
    assert list(shards.read_shards(paths, ["index"])) == ["index"]
    assert shards.read_attributes(paths[0]) == {"dataset": "stack", "psf": "f00"}


def test_rows_are_those_of_all_shards(tmp_path):
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    arrays = [write_shard(paths[0], range(4)), write_shard(paths[1], range(4, 9), seed=1)]
    mapped = shards.map_shards(paths, ["layers", "index"], torch.device("cpu"))
    layers = torch.from_numpy(np.concatenate([part["layers"] for part in arrays]))
    assert mapped["layers"].shape == layers.shape
    for numbers in (torch.tensor([8, 0, 3, 4, 4]), torch.tensor([[5, 1], [2, 7]]), torch.tensor(6)):
        assert torch.equal(mapped["layers"][numbers], layers[numbers])
        assert torch.equal(mapped["index"][numbers], numbers)
    assert torch.equal(mapped["layers"].load(), layers)
    assert torch.equal(mapped["layers"].flatten()[numbers], layers.flatten(0, 1)[numbers])


def test_mapped_shards_stay_as_they_are(tmp_path):
    path = tmp_path / "a.h5"
    write_shard(path, range(4))
    content = path.read_bytes()
    shards.map_shards([path], ["layers"], torch.device("cpu"))["layers"][torch.arange(4)].zero_()
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


@pytest.mark.parametrize("moving", [False, True])
def test_arrays_in_memory_are_written_as_those_in_blocks(tmp_path, moving):
    arrays = write_shard(tmp_path / "blocks.h5", range(4), moving)
    shards.write(tmp_path / "whole.h5", arrays, {"dataset": "stack", "psf": "f00"})
    assert (tmp_path / "whole.h5").read_bytes() == (tmp_path / "blocks.h5").read_bytes()


def test_damage_is_noticed(tmp_path):
    path = tmp_path / "a.h5"
    write_shard(path, range(4))
    with hdf5.open_checked(path, shards.FORMAT) as file:
        place = file["sensors"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[place + 2] ^= 1
    path.write_bytes(content)
    for read in READERS:
        with pytest.raises(InputError, match=r"a.h5: the file is damaged \(array 'sensors' does not match"):
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
