"""Images on a disk are those in memory, to the last bit."""

import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lossmith.core.errors import LossmithError
from lossmith.data import Data, PatchDataset, degraded_images, find_images, prepare_data, storage
from lossmith.data import make_test_pairs as make_pairs
from lossmith.data.disk_cache import DiskCache, crop
from lossmith.data.loader import batches
from lossmith.data.storage import Storage
from lossmith.degradations import degradation

EXPRESSIONS = ["jpeg(10)", "bicubic(2)", "noise(25)", "mosaic", "bicubic(2) | noise(5) | jpeg(50)"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> DiskCache:
    return DiskCache(tmp_path_factory.mktemp("disk"))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_crop_from_the_disk_cache_equals_the_image(cache: DiskCache, data: st.DataObject) -> None:
    height, width = data.draw(st.tuples(st.integers(1, 200), st.integers(1, 200)))
    top, left = data.draw(st.tuples(st.integers(0, height - 1), st.integers(0, width - 1)))
    bottom, right = data.draw(st.tuples(st.integers(top + 1, height), st.integers(left + 1, width)))
    image = torch.rand(3, height, width)
    if data.draw(st.booleans()):
        image = (image * 255).to(torch.uint8)
    handle = cache.put(image)
    assert torch.equal(crop(handle, top, bottom, left, right), crop(image, top, bottom, left, right))
    assert torch.equal(handle.read(), image)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_patches_and_pairs_from_disk_equal_those_from_memory(
    photos: Path, cache: DiskCache, expression: str
) -> None:
    paths, kind = find_images(photos), degradation(expression)
    memory, disk = (
        PatchDataset(degraded_images(paths, kind, storage=place), 32) for place in (Storage(), Storage(cache))
    )
    assert disk.on_disk
    assert not memory.on_disk
    for from_disk, from_memory in zip(batches(disk, 4, 3), batches(memory, 4, 3), strict=False):
        assert all(torch.equal(a, b) for a, b in zip(from_disk, from_memory, strict=True))
        if torch.equal(from_disk[0], memory.batch(4 * 8, 4)[0]):
            break
    copy = pickle.loads(pickle.dumps(disk))
    assert torch.equal(copy.batch(5, 2)[0], memory.batch(5, 2)[0])
    for pair, cached_pair in zip(
        make_pairs(paths, kind), make_pairs(paths, kind, storage=Storage(cache)), strict=True
    ):
        assert pair.name == cached_pair.name
        assert torch.equal(pair.clean, cached_pair.clean)
        assert torch.equal(pair.degraded, cached_pair.degraded)


def test_images_beyond_memory_go_to_the_disk_cache(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lossmith")
    monkeypatch.setattr(storage, "free_memory", lambda: 1000)
    data = prepare_data(Data([photos]), "jpeg", tmp_path / "run")
    assert PatchDataset(data.source, 32).on_disk
    assert not list(tmp_path.iterdir())
    assert "of memory decoded, and 1 kB are free, so they are decoded onto the disk" in caplog.text
    monkeypatch.setattr(storage, "free_disk", lambda folder: 1000)
    with pytest.raises(LossmithError, match="make room there, or take fewer images"):
        prepare_data(Data([photos]), "jpeg", tmp_path / "run")
    monkeypatch.setattr(storage, "free_memory", lambda: 1 << 40)
    assert not PatchDataset(prepare_data(Data([photos]), "jpeg", tmp_path).source, 32).on_disk


def test_out_of_memory_while_reading_is_one_sentence(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("lossmith.data.pictures.apply_orientation", full)
    with pytest.raises(LossmithError, match="needs more memory to be read than there is"):
        prepare_data(Data([photos]), "jpeg")
