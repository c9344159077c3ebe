"""Files are written whole, under names that every file system takes."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossmith.core.errors import LossmithError
from lossmith.core.files import atomic_write, safe_file_name, write_text


def test_atomic_write_replaces_the_file_or_leaves_it_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.txt"
    write_text(path, "first")
    with suppress(KeyboardInterrupt), atomic_write(path) as draft:
        draft.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "first"
    write_text(path, "second")
    assert path.read_text() == "second"
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


def test_an_unwritable_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LossmithError, match=r"^cannot write .*file/a\.txt: "):
        write_text(tmp_path / "file" / "a.txt", "text")


def test_the_previous_file_can_be_kept(tmp_path: Path) -> None:
    path, previous = tmp_path / "a", tmp_path / "b"
    for content in "123":
        with atomic_write(path, previous) as draft:
            draft.write_text(content)
    assert (path.read_text(), previous.read_text()) == ("3", "2")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_a_full_disk_is_a_sentence_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("before")
    with pytest.raises(LossmithError) as error, atomic_write(path), open("/dev/full", "w") as full:
        full.write("text")
    assert str(error.value) == (
        f"cannot write {path}: No space left on device; make room, and the same command goes on"
    )
    assert path.read_text() == "before"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(st.characters(codec="utf-8"), min_size=1) | st.text("aä文😀.-", min_size=60, max_size=300))
def test_a_safe_file_name_leaves_room_for_an_extension(name: str) -> None:
    safe = safe_file_name(name)
    assert 0 < len(os.fsencode(safe)) <= 100  # of the 255 bytes that Linux allows, and 143 on encrypted folders
    assert not {"/", "\0"} & set(safe)


def test_long_safe_file_names_stay_unique() -> None:
    long_name = "文" * 90
    assert len({safe_file_name(long_name + "a"), safe_file_name(long_name + "b"), safe_file_name(long_name)}) == 3
    assert safe_file_name("a" * 100) == "a" * 100
