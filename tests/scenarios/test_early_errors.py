"""Failures that would come at the end are reported at the beginning."""

from pathlib import Path

import pytest
from PIL import Image

from .conftest import QUICK, Lossmith


def test_a_broken_test_image_is_found_before_the_first_step(lossmith: Lossmith, photos: Path) -> None:
    Path("test").mkdir()
    (Path("test") / "late.png").write_bytes((photos / "p0.png").read_bytes()[:400])
    output = lossmith("train", photos, "--test", "test", "--degradation", "jpeg(10)", "--network", "fcn", *QUICK,
                    "--out", "run")  # fmt: skip
    assert "late.png" in output.refusal
    assert not Path("run").exists()


def test_test_images_of_any_size_are_scored_under_a_network_of_multiples(lossmith: Lossmith, photos: Path) -> None:
    Path("test").mkdir()
    for index, size in enumerate([(61, 73), (64, 64), (50, 39)]):
        Image.open(photos / "p0.png").resize(size).save(f"test/{index}.png")
    network = "rrdbnet(scale=1, features=8, blocks=1, growth=4)"  # folds 4 x 4 pixels into one
    outcome = lossmith("train", photos, "--test", "test", "--degradation", "jpeg(10)", "--network", network,
                       *QUICK, "--out", "run")  # fmt: skip
    assert outcome.status == 0, outcome.output
    assert len(Path("run/scores.csv").read_text().splitlines()) >= 4


def test_images_beyond_memory_are_kept_on_disk(
    lossmith: Lossmith, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("train", photos, "--degradation", "jpeg(10)", "--network", "fcn", *QUICK)
    assert lossmith(*words, "--out", "memory").status == 0
    monkeypatch.setattr("lossmith.data.storage.free_memory", lambda: 200_000)
    outcome = lossmith(*words, "--out", "disk")
    assert outcome.status == 0, outcome.output
    assert "onto the disk" in outcome.output
    assert Path("disk/scores.csv").read_bytes() == Path("memory/scores.csv").read_bytes()


def test_a_test_image_too_large_to_score_is_reported_before_the_first_step(
    lossmith: Lossmith, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lossmith.training.dry_run.free_memory", lambda: 5_000_000)  # 128 x 128 take 8 MB
    words = ("train", photos, "--degradation", "jpeg(10)", "--network", "fcn", *QUICK, "--out", "run")
    assert "smaller ones with --test" in lossmith(*words).refusal
    assert not Path("run/model.safetensors").exists()


def test_out_of_memory_while_scoring_is_one_sentence(
    lossmith: Lossmith, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(*_: object) -> dict[str, float]:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 480480000 bytes")

    monkeypatch.setattr("lossmith.evaluation.scoring.score", score)
    output = lossmith("evaluate", photos, "--test", photos).output
    assert "not enough memory to score it" in output
    assert "Traceback" not in output
