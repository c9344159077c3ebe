"""A run is recognized by its folder: finished, unfinished, damaged, or somebody else's."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lossmith.core.errors import LossmithError
from lossmith.core.run_config import check, write_or_check
from lossmith.training import Recipe, RunSummary

Train = Callable[..., RunSummary]

RESULTS = ["model.safetensors", "metrics.csv", "scores.csv", "images/4.png"]


def damage(path: Path, kind: str) -> None:
    if kind == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-20] if kind == "cut short" else b"")


@pytest.mark.parametrize("name", RESULTS)
def test_a_lost_result_is_computed_again(name: str, train: Train, tmp_path: Path) -> None:
    train(tmp_path)
    content = (tmp_path / name).read_bytes()
    for kind in ("deleted", "cut short", "emptied"):
        damage(tmp_path / name, kind)
        assert train(tmp_path).steps == 12
        assert (tmp_path / name).read_bytes() == content, kind
    before = (tmp_path / name).stat().st_mtime_ns
    train(tmp_path)
    assert (tmp_path / name).stat().st_mtime_ns == before, "it is finished again"


def test_a_lost_result_that_cannot_be_computed_again_is_named(train: Train, tmp_path: Path) -> None:
    train(tmp_path)
    (tmp_path / "checkpoints" / "last.ckpt").unlink()
    train(tmp_path)  # nothing is missing
    damage(tmp_path / "model.safetensors", "emptied")
    with pytest.raises(LossmithError, match=r"finished run, but model\.safetensors is missing or damaged; delete"):
        train(tmp_path)
    (tmp_path / "summary.json").unlink()  # as the sentence says
    assert train(tmp_path).steps == 12


def test_results_of_an_unfinished_run_are_not_checked(train: Train, tmp_path: Path) -> None:
    train(tmp_path)
    for name in ("summary.json", "scores.csv"):
        (tmp_path / name).unlink()
    assert train(tmp_path).steps == 12
    assert (tmp_path / "scores.csv").is_file()


@pytest.mark.parametrize("name", ["checkpoints/last.ckpt", "summary.json"])
def test_a_damaged_file_is_named(name: str, train: Train, tmp_path: Path) -> None:
    train(tmp_path)
    if name != "summary.json":
        (tmp_path / "summary.json").unlink()
    content = (tmp_path / name).read_bytes()
    for broken_content in (content[: len(content) // 2], b"", b"[1]", b"{}"):
        (tmp_path / name).write_bytes(broken_content)
        with pytest.raises(LossmithError, match=rf"{name} is damaged; delete it"):
            train(tmp_path)
    (tmp_path / name).unlink()
    assert train(tmp_path).steps == 12


@pytest.mark.parametrize(
    "mark",
    [{}, {"format": "lossmith run 1"}, {"format": "lossmith run 3"}, {"pytorch-lightning_version": "2.6.6"}],
)
def test_a_checkpoint_of_another_version_is_called_so(mark: dict[str, str], train: Train, tmp_path: Path) -> None:
    train(tmp_path)
    (tmp_path / "summary.json").unlink()
    checkpoint = tmp_path / "checkpoints" / "last.ckpt"
    previous = checkpoint.with_name("last.previous.ckpt")
    for file in (checkpoint, previous):
        torch.save({"global_step": 12, **mark}, file)
    before = checkpoint.read_bytes()
    remedy = r"last\.ckpt was written by another version of lossmith.*; delete it and last\.previous\.ckpt to"
    with pytest.raises(LossmithError, match=remedy):
        train(tmp_path)
    assert checkpoint.read_bytes() == before
    checkpoint.unlink()  # as the sentence says
    previous.unlink()
    assert train(tmp_path).steps == 12


def test_the_summary_says_what_the_results_hold(train: Train, tmp_path: Path) -> None:
    train(tmp_path)
    files = json.loads((tmp_path / "summary.json").read_text())["files"]
    assert set(files) >= set(RESULTS)
    assert all(len(digest) == 64 for digest in files.values())


def test_partial_files_of_a_killed_process_are_removed(train: Train, tmp_path: Path) -> None:
    drafts = [tmp_path / name for name in (".metrics.csv.1.part", "checkpoints/.last.ckpt.99999.part")]
    for draft in drafts:
        draft.parent.mkdir(exist_ok=True)
        draft.write_bytes(b"half")
    (tmp_path / "notes.part").write_text("the user's")
    train(tmp_path)
    assert not any(draft.exists() for draft in drafts)
    assert (tmp_path / "notes.part").exists()


# --- whose folder ----------------------------------------------------------------------------------------------


def test_a_folder_of_another_configuration_is_refused(train: Train, small: Recipe, tmp_path: Path) -> None:
    train(tmp_path)
    before = (tmp_path / "run.yaml").read_bytes()
    with pytest.raises(LossmithError, match=r"another configuration: `loss` is 'l1' there and 'l2' here; choose"):
        train(tmp_path, "l2")
    message = r"`seed` is 0 there and 1 here, `batch` is 2 there and 3 here; choose"
    with pytest.raises(LossmithError, match=message):
        train(tmp_path, recipe=replace(small, batch=3), seed=1)
    assert (tmp_path / "run.yaml").read_bytes() == before


CONFIGURATION = {"loss": "l1", "seed": 0, "training_images": {f"{i}": f"{i:064x}" for i in range(200)}}


def test_changed_images_are_reported_without_listing_digests(tmp_path: Path) -> None:
    write_or_check(tmp_path / "run.yaml", CONFIGURATION)
    fewer = dict(list(CONFIGURATION["training_images"].items())[1:])  # type: ignore[attr-defined]
    with pytest.raises(LossmithError) as error:
        check(tmp_path / "run.yaml", {**CONFIGURATION, "training_images": fewer})
    assert str(error.value) == (
        f"{tmp_path} belongs to another configuration: the training images differ; choose another `out`"
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"- a\n", b"loss: l1\n", b"loss: l1\nseed: 0\nfrom: elsewhere\n", b"{", b"\xff\xfe\x00", b"\0"],
)
def test_a_damaged_run_configuration_is_reported(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_bytes(content)
    with pytest.raises(LossmithError, match=r"run\.yaml is damaged, or was written by another version") as error:
        write_or_check(tmp_path / "run.yaml", CONFIGURATION)
    assert len(str(error.value)) < 200 + len(str(tmp_path))
    assert (tmp_path / "run.yaml").read_bytes() == content


def test_the_folder_of_the_same_configuration_is_accepted(tmp_path: Path) -> None:
    write_or_check(tmp_path / "run.yaml", CONFIGURATION)
    before = (tmp_path / "run.yaml").read_bytes()
    write_or_check(tmp_path / "run.yaml", CONFIGURATION)
    assert (tmp_path / "run.yaml").read_bytes() == before
