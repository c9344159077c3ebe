"""`lossmith restore`, from folders to folders."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lossmith
from lossmith.cli import run
from lossmith.errors import LossmithError
from lossmith.restoration import FileRestorer, Wishes, open_engine
from lossmith.restoration.encoding import read_record
from lossmith.restoration.plan import Plan, Planner


def pictures(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for seed, name in enumerate(names):
        values = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(values).save(folder / name)
    return folder


SMALL = "srresnet_small(features=4, blocks=1)"


def test_a_folder_is_restored_and_the_second_time_skipped(saved, tmp_path: Path) -> None:
    model, out = saved(SMALL, 2), tmp_path / "out"
    folder = pictures(tmp_path / "in", "a.png", "b.jpg")
    first = lossmith.restore([folder], model=[model], out=out)
    assert [path.name for path in first.results] == ["a.png", "b.png"]
    assert Image.open(out / "a.png").size == (80, 60)
    record = read_record(out / "a.png")
    assert record is not None
    assert record["asked"]["model"]["model"] == model.name
    again = lossmith.restore([folder], model=[model], out=out)
    assert (again.results, again.skipped) == ([], first.results)
    # what is asked for differently is done anew, and so is a picture that has changed
    assert len(lossmith.restore([folder], model=[model], out=out, bits="16").results) == 2
    pictures(folder, "other.png", "a.png")
    assert [path.name for path in lossmith.restore([folder], model=[model], out=out, bits="16").results] == [
        "a.png",
        "other.png",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png", "other.png"]


def test_patterns_are_filled_in(saved, tmp_path: Path) -> None:
    pictures(tmp_path / "in", "a.png", "b.png", "c.jpg")
    done = lossmith.restore([tmp_path / "in" / "*.png"], model=[saved(SMALL, 1)], out=tmp_path / "out")
    assert [path.name for path in done.results] == ["a.png", "b.png"]
    with pytest.raises(LossmithError, match="no file matches"):
        lossmith.restore([tmp_path / "in" / "*.webp"], model=[saved(SMALL, 1)], out=tmp_path / "out")


def test_a_truncated_picture_in_the_middle_is_told_at_the_end_and_the_rest_is_done(
    saved, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pictures(tmp_path / "in", "a.png", "b.png", "c.png")
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:1500])
    words = ["restore", str(folder), "--model", str(saved(SMALL, 1)), "--out", str(tmp_path / "out")]
    assert run(words) == 1
    said = capsys.readouterr().out
    assert "2 restored, 1 failed:" in said
    assert "b.png' is truncated or damaged" in said
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["a.png", "c.png"]


def test_an_input_is_never_overwritten(saved, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pictures(tmp_path / "in", "a.png")
    before = (folder / "a.png").read_bytes()
    assert run(["restore", str(folder), "--model", str(saved(SMALL, 1)), "--out", str(folder)]) == 2
    assert "would overwrite a picture that is to be restored" in capsys.readouterr().err
    assert (folder / "a.png").read_bytes() == before


def test_nor_is_a_file_that_something_else_has_made(saved, tmp_path: Path) -> None:
    folder, out = pictures(tmp_path / "in", "a.png"), pictures(tmp_path / "out", "x.png", "a.png")
    before = (out / "a.png").read_bytes()
    done = lossmith.restore([folder], model=[saved(SMALL, 1)], out=out)
    assert done.status == 1
    assert "was not made by lossmith restore" in done.failures[0]
    assert (out / "a.png").read_bytes() == before


def test_two_pictures_of_one_name_are_refused(saved, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", "a.png", "a.jpg")
    with pytest.raises(LossmithError, match="would both become"):
        lossmith.restore([folder], model=[saved(SMALL, 1)], out=tmp_path / "out")


def test_several_models_come_side_by_side(saved, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", "<a>.png")
    models = [saved(SMALL, 2), saved("fcn", 1)]
    done = lossmith.restore([folder], model=models, out=tmp_path / "out")
    assert [path.parent.name for path in done.results] == ["2x-srresnet_small", "1x-fcn"]
    assert done.page == tmp_path / "out" / "side-by-side.html"
    page = done.page.read_text()
    assert "&lt;a&gt;.png" in page
    assert "<a>.png" not in page
    assert page.count("data:image/") == 3  # input and two models
    with pytest.raises(LossmithError, match="two models are called '1x-fcn'"):
        lossmith.restore([folder], model=[models[1]] * 2, out=tmp_path / "out")


def test_verify_says_what_half_precision_and_tiles_change(saved, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", "a.png")
    words = {"model": [saved(SMALL, 1)], "out": tmp_path / "out", "verify": True}
    half = str(lossmith.restore([folder], precision="bfloat16", **words))
    assert "one tile: bfloat16 differs from float32 by at most" in half
    assert "of the 8-bit values are the same; compared with the network on the whole picture" in half
    # whatever memory the tiles have, they are compared with the whole picture
    tiles = str(lossmith.restore([folder], precision="float32", memory=5e-5, **words))
    assert "6 tiles that see 4 pixels around: computed in float32; differs by at most" in tiles
    assert "compared with the network on the whole picture" in tiles
    assert float(tiles.split("at most ")[1].split()[0]) < 0.01


@pytest.mark.parametrize("size", [(1, 1), (73, 61), (130, 3), (97, 101)])
def test_verify_sees_a_seam_of_any_picture(size, saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = FileRestorer(open_engine(saved("fcn", 1)), Wishes(precision="float32", memory=1e-3))
    values = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert tool.verified(tmp_path / "a.png", tmp_path / "work").largest < 0.01
    torn = Plan((16, 16))
    monkeypatch.setattr(Planner, "plan", lambda *_: torn)
    found = tool.verified(tmp_path / "a.png", tmp_path / "work")
    assert (found.largest > 0.5) == (found.tiles > 1) == (max(size) > 16)


def test_verify_says_which_window_it_has_compared_where_the_whole_does_not_fit(
    saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = FileRestorer(open_engine(saved("fcn", 1)), Wishes(precision="float32", memory=1e-2))
    values = np.random.default_rng(0).integers(0, 256, (400, 300, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    monkeypatch.setattr("lossmith.restoration.verifying.free_memory", lambda _: 4e7)
    found = tool.verified(tmp_path / "a.png", tmp_path / "work")
    assert found.window is not None
    assert 0 < found.window[0] * found.window[1] < 400 * 300
    assert f"the middle of a window of {found.window[0]} x {found.window[1]} pixels" in str(found)
    assert found.largest < 0.01  # what lies near the window's own ends is not counted


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"quality": 90}, "quality is 1 to 100, for --format jpeg or webp"),
        ({"format": "jpeg", "bits": "16"}, "JPEG holds 8 bits"),
        ({"halo": -1}, "halo must be 'auto', 'exact' or a number of pixels"),
        ({"memory": 0.0}, "memory must be more than 0 gigabytes"),
    ],
)
def test_impossible_wishes_are_refused(wishes, said, saved, tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match=f"^{said}"):
        lossmith.restore([pictures(tmp_path / "in", "a.png")], model=[saved(SMALL, 1)], out=tmp_path, **wishes)
