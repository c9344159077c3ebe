"""`lossmith restore` on files and folders."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import lossmith
from lossmith.cli import run
from lossmith.core.errors import LossmithError
from lossmith.core.progress import ProgressBar
from lossmith.restoration import FileRestorer, RestoreOptions, load_engine
from lossmith.restoration.io.encoding import read_record
from lossmith.restoration.io.metadata import RECORD
from lossmith.restoration.tiling.plan import Planner, TilePlan


def images(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for seed, name in enumerate(names):
        values = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(values).save(folder / name)
    return folder


SMALL = "srresnet_small(features=4, blocks=1)"


def test_a_folder_is_restored_and_skipped_the_second_time(random_model, tmp_path: Path) -> None:
    model, out = random_model(SMALL, 2), tmp_path / "out"
    folder = images(tmp_path / "in", "a.png", "b.jpg")
    first = lossmith.restore([folder], model=[model], out=out)
    assert [path.name for path in first.results] == ["a.png", "b.png"]
    assert Image.open(out / "a.png").size == (80, 60)
    record = read_record(out / "a.png")
    assert record is not None
    assert record["settings"]["model"]["model"] == model.name
    repeat = lossmith.restore([folder], model=[model], out=out)
    assert (repeat.results, repeat.skipped) == ([], first.results)
    # what is asked for differently is done anew, and so is an image that has changed
    assert len(lossmith.restore([folder], model=[model], out=out, bits="16").results) == 2
    images(folder, "other.png", "a.png")
    assert [path.name for path in lossmith.restore([folder], model=[model], out=out, bits="16").results] == [
        "a.png",
        "other.png",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png", "other.png"]


def test_the_bar_ends_at_100_percent_although_images_are_skipped_and_fail(
    random_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, out, updates = random_model(SMALL, 1), tmp_path / "out", []
    folder = images(tmp_path / "in", "a.png", "b.png", "d.png")
    lossmith.restore([folder / "a.png", folder / "d.png"], model=[model], out=out)
    shutil.copy(folder / "a.png", folder / "c.png")
    with (folder / "c.png").open("r+b") as file:
        file.truncate(500)  # of which the size can still be read
    monkeypatch.setattr(ProgressBar, "update", lambda bar, done, status=str: updates.append((done, status())))
    outcome = lossmith.restore([folder], model=[model], out=out)
    assert (len(outcome.results), len(outcome.skipped), len(outcome.failures)) == (1, 2, 1)
    fractions = [done for done, _ in updates]
    assert fractions == sorted(fractions)
    assert updates[-1] == (1.0, "4 of 4  0.001 of 0.001 megapixels")


# what version 0.1 wrote into a result, by the keys of today
OLD_RECORD = {"image": "picture", "settings": "asked", "applied": "done", "version": "version"}


def with_an_old_record(result: Path) -> None:
    """Write the record of a PNG under the keys of version 0.1."""
    record = read_record(result)
    assert record is not None
    old = {OLD_RECORD[key]: value for key, value in record.items()}
    old["asked"]["picture"] = old["asked"].pop("image_sha256")
    old["asked"]["alpha"] = old["asked"].pop("transparency")
    exif = Image.Exif()
    exif[RECORD] = json.dumps({"lossmith restore": old}, sort_keys=True)
    with Image.open(result) as image:
        image.save(result, exif=exif)
    assert b'"picture"' in result.read_bytes()


def test_a_result_of_version_0_1_is_recognized_as_done(random_model, tmp_path: Path) -> None:
    model, out = random_model(SMALL, 2), tmp_path / "out"
    folder = images(tmp_path / "in", "a.png")
    lossmith.restore([folder], model=[model], out=out)
    with_an_old_record(out / "a.png")
    outcome = lossmith.restore([folder], model=[model], out=out)
    assert (outcome.results, outcome.skipped) == ([], [out / "a.png"])
    assert lossmith.restore([folder], model=[model], out=out, transparency="restore").results == [out / "a.png"]


def test_a_result_of_version_0_1_is_not_replaced_by_that_of_another_image(random_model, tmp_path: Path) -> None:
    model, out = random_model(SMALL, 2), tmp_path / "out"
    lossmith.restore([images(tmp_path / "in", "a.png")], model=[model], out=out)
    with_an_old_record(out / "a.png")
    (failure,) = lossmith.restore([images(tmp_path / "other", "a.jpg")], model=[model], out=out).failures
    assert "was made of 'a.png'" in failure


def test_glob_patterns_are_expanded(random_model, tmp_path: Path) -> None:
    images(tmp_path / "in", "a.png", "b.png", "c.jpg")
    outcome = lossmith.restore([tmp_path / "in" / "*.png"], model=[random_model(SMALL, 1)], out=tmp_path / "out")
    assert [path.name for path in outcome.results] == ["a.png", "b.png"]
    with pytest.raises(LossmithError, match="no file matches"):
        lossmith.restore([tmp_path / "in" / "*.webp"], model=[random_model(SMALL, 1)], out=tmp_path / "out")


def test_a_truncated_image_is_reported_at_the_end_and_the_rest_is_restored(
    random_model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = images(tmp_path / "in", "a.png", "b.png", "c.png")
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:1500])
    words = ["restore", str(folder), "--model", str(random_model(SMALL, 1)), "--out", str(tmp_path / "out")]
    assert run(words) == 1
    output = capsys.readouterr().out
    assert "2 restored, 1 failed:" in output
    assert "b.png' is truncated or damaged" in output
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["a.png", "c.png"]


def test_a_full_disk_is_reported_before_the_work(
    random_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    photos, model, out = (
        images(tmp_path / "in", "a.png", "b.png", "c.png"),
        random_model(SMALL, 2),
        tmp_path / "out",
    )
    values = 3 * 40 * 30
    largest = values + 4 * values  # it, and its result
    monkeypatch.setattr("lossmith.core.resources.free_disk", lambda folder: largest - 1)
    with pytest.raises(LossmithError, match=r"the largest image and its result, unpacked, take .* make room"):
        lossmith.restore([photos], model=[model], out=out)
    assert not out.exists()
    for module in ("lossmith.core.resources", "lossmith.commands.image_results"):
        monkeypatch.setattr(sys.modules[module], "free_disk", lambda folder: largest)
    assert len(lossmith.restore([photos], model=[model], out=out).results) == 3
    assert "the results may take about 22 kB, and 18 kB are free" in caplog.text


def test_an_input_is_never_overwritten(random_model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = images(tmp_path / "in", "a.png")
    before = (folder / "a.png").read_bytes()
    assert run(["restore", str(folder), "--model", str(random_model(SMALL, 1)), "--out", str(folder)]) == 2
    assert "would overwrite an image that is to be restored" in capsys.readouterr().err
    assert (folder / "a.png").read_bytes() == before


def test_a_file_made_by_another_program_is_never_overwritten(random_model, tmp_path: Path) -> None:
    folder, out = images(tmp_path / "in", "a.png"), images(tmp_path / "out", "x.png", "a.png")
    before = (out / "a.png").read_bytes()
    outcome = lossmith.restore([folder], model=[random_model(SMALL, 1)], out=out)
    assert outcome.status == 1
    assert "was not made by lossmith" in outcome.failures[0]
    assert (out / "a.png").read_bytes() == before


def test_images_of_the_same_stem_keep_their_extensions(random_model, tmp_path: Path) -> None:
    folder = images(tmp_path / "in", "a.png", "a.jpg", "b.png", "c.png", "c.png.png", "c.jpg")
    names = ["a.jpg", "a.png", "b", "c.jpg", "c.png", "c.png.png"]
    first = lossmith.restore([folder], model=[random_model(SMALL, 1)], out=tmp_path / "out")
    assert sorted(path.name for path in first.results) == sorted(f"{name}.png" for name in names)
    assert len(lossmith.restore([folder], model=[random_model(SMALL, 1)], out=tmp_path / "out").skipped) == 6
    with Image.open(tmp_path / "out" / "a.jpg.png") as one, Image.open(tmp_path / "out" / "a.png.png") as other:
        assert one.tobytes() != other.tobytes()


def test_a_result_of_another_image_is_never_replaced(random_model, tmp_path: Path) -> None:
    folder, out = images(tmp_path / "in", "a.png", "a.jpg"), tmp_path / "out"
    assert lossmith.restore([folder / "a.png"], model=[random_model(SMALL, 1)], out=out).status == 0
    before = (out / "a.png").read_bytes()
    later = lossmith.restore([folder / "a.jpg"], model=[random_model(SMALL, 1)], out=out)
    assert "was made of 'a.png'; do both with one command, or change `out`" in later.failures[0]
    assert (out / "a.png").read_bytes() == before


def test_recursive_results_keep_their_folders(random_model, tmp_path: Path) -> None:
    """They are not restored again, though they lie in the searched folder."""
    shots = tmp_path / "shots"
    for place in (".", "1", "2", "2/deep", ".hidden"):
        (shots / place).mkdir(parents=True, exist_ok=True)
        images(shots / place, "p.png")
    (shots / "1" / "circle").symlink_to(shots, target_is_directory=True)
    out = shots / "restored"
    expected = [out / place / "p.png" for place in (".", "1", "2", "2/deep")]
    first = lossmith.restore([shots], model=[random_model(SMALL, 1)], out=out, recursive=True)
    assert first.results == expected
    repeat = lossmith.restore([shots], model=[random_model(SMALL, 1)], out=out, recursive=True)
    assert (repeat.results, repeat.skipped) == ([], expected)
    by_pattern = lossmith.restore([shots / "**" / "*.png"], model=[random_model(SMALL, 1)], out=out)
    assert (by_pattern.results, sorted(by_pattern.skipped)) == ([], sorted(expected))


def test_images_of_one_name_from_two_folders_get_their_own_results(random_model, tmp_path: Path) -> None:
    for part in ("1", "2"):
        images(tmp_path / part, "p.png", f"only-{part}.png")
    outcome = lossmith.restore(
        [tmp_path / "1", tmp_path / "2"], model=[random_model(SMALL, 1)], out=tmp_path / "out"
    )
    assert [str(path.relative_to(tmp_path / "out")) for path in outcome.results] == [
        "1/only-1.png",
        "1/p.png",
        "2/only-2.png",
        "2/p.png",
    ]


def test_results_are_not_written_through_a_symlink(random_model, tmp_path: Path) -> None:
    images(images(tmp_path / "in", "a.png") / "part", "b.png")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "part").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(LossmithError, match=r"part' leads out of '.*out'; rename"):
        lossmith.restore([tmp_path / "in"], model=[random_model(SMALL, 1)], out=tmp_path / "out", recursive=True)
    assert not [*(tmp_path / "elsewhere").iterdir()]


@pytest.mark.parametrize(
    ("name", "format"), [("r.png", "PNG"), ("r.JPG", "JPEG"), ("new/r.webp", "WEBP"), ("r.tiff", "TIFF")]
)
def test_out_may_name_the_result_file_of_one_image(name: str, format: str, random_model, tmp_path: Path) -> None:
    folder = images(tmp_path / "in", "a.png")
    outcome = lossmith.restore([folder / "a.png"], model=[random_model(SMALL, 2)], out=tmp_path / name)
    assert outcome.results == [tmp_path / name]
    with Image.open(tmp_path / name) as image:
        assert (image.format, image.size) == (format, (80, 60))
    assert lossmith.restore([folder], model=[random_model(SMALL, 2)], out=tmp_path / name).skipped == [
        tmp_path / name
    ]
    file_names = {path.name for path in (tmp_path / name).parent.iterdir()}
    assert file_names - {"in", "models"} == {Path(name).name}


def test_a_result_file_may_lie_beside_its_image(random_model, tmp_path: Path) -> None:
    folder, out = images(tmp_path / "in", "a.png"), tmp_path / "in" / "a2.png"
    assert lossmith.restore([folder], model=[random_model(SMALL, 1)], out=out).results == [out]
    assert lossmith.restore([folder], model=[random_model(SMALL, 1)], out=out).skipped == [out]


def test_a_result_file_for_several_images_or_of_another_format_is_refused(random_model, tmp_path: Path) -> None:
    folder = images(tmp_path / "in", "a.png", "b.png")
    models = [random_model(SMALL, 2), random_model("fcn", 1)]

    def refusal(sources: list[Path], out: str, count: int = 1, **options: Any) -> str:
        with pytest.raises(LossmithError) as error:
            lossmith.restore(sources, model=models[:count], out=tmp_path / out, **options)
        return str(error.value).replace(f"{tmp_path}/", "")

    image_list = [folder / "a.png"]
    assert refusal([folder], "r.png") == "`out='r.png'` names one file, which cannot hold 2 images; name a folder"
    assert "cannot hold the results of 2 models; name a folder" in refusal(image_list, "r.png", 2)
    assert refusal(image_list, "r.png", format="jpeg") == (
        "`format=jpeg` and `out='r.png'` say different things; leave `format` out"
    )
    assert "'r.bmp' cannot be written; restore writes .png, .jpg, .webp" in refusal(image_list, "r.bmp")
    assert "'r.jxl' cannot be written" in refusal(image_list, "r.jxl")
    assert "would overwrite an image that is to be restored" in refusal(image_list, "in/a.png")
    outcome = lossmith.restore(image_list, model=models[:1], out=folder / "b.png")
    assert "was not made by lossmith" in outcome.failures[0]


def test_an_output_folder_may_be_named_after_the_model_file(random_model, tmp_path: Path) -> None:
    outcome = lossmith.restore(
        [images(tmp_path / "in", "a.png")], model=[random_model(SMALL, 1)], out=tmp_path / "4x.pth"
    )
    assert outcome.results == [tmp_path / "4x.pth" / "a.png"]


def test_an_existing_output_folder_may_end_in_an_image_extension(random_model, tmp_path: Path) -> None:
    (tmp_path / "d.png").mkdir()
    outcome = lossmith.restore(
        [images(tmp_path / "in", "a.png")], model=[random_model(SMALL, 1)], out=tmp_path / "d.png"
    )
    assert outcome.results == [tmp_path / "d.png" / "a.png"]


def test_several_models_are_shown_side_by_side(random_model, tmp_path: Path) -> None:
    folder = images(tmp_path / "in", "<a>.png")
    models = [random_model(SMALL, 2), random_model("fcn", 1)]
    outcome = lossmith.restore([folder], model=models, out=tmp_path / "out")
    assert [path.parent.name for path in outcome.results] == ["2x-srresnet_small", "1x-fcn"]
    assert outcome.page == tmp_path / "out" / "side-by-side.html"
    page = outcome.page.read_text()
    assert "&lt;a&gt;.png" in page
    assert "<a>.png" not in page
    assert page.count("data:image/") == 6  # input and two models, whole and close up
    with pytest.raises(LossmithError, match="two models are called '1x-fcn'"):
        lossmith.restore([folder], model=[models[1]] * 2, out=tmp_path / "out")


def test_a_page_opens_on_the_input_and_the_first_model(random_model, tmp_path: Path) -> None:
    folder, models = images(tmp_path / "in", "a.png"), [random_model(SMALL, 2), random_model("fcn", 1)]
    for count in (1, 2):
        outcome = lossmith.restore([folder], model=models[:count], out=tmp_path / f"out{count}", page=True)
        assert outcome.page is not None
        selection = re.findall(r'<option value="(\d)" selected>(.*?)</option>', outcome.page.read_text())
        assert selection == [("0", "input"), ("1", "2x-srresnet_small")]


def test_a_page_made_by_another_program_is_never_overwritten(random_model, tmp_path: Path) -> None:
    words = {"model": [random_model(SMALL, 1)], "out": tmp_path / "r.png", "page": True}
    folder = images(tmp_path / "in", "a.png")
    assert lossmith.restore([folder], **words).page == tmp_path / "r.html"
    assert lossmith.restore([folder], **words).page == tmp_path / "r.html"
    (tmp_path / "r.html").write_text("mine")
    with pytest.raises(LossmithError, match=r"r.html' exists and is not a page of lossmith"):
        lossmith.restore([folder], **words)
    assert (tmp_path / "r.html").read_text() == "mine"


def test_verify_reports_the_error_of_half_precision_and_tiles(random_model, tmp_path: Path) -> None:
    folder = images(tmp_path / "in", "a.png")
    words = {"model": [random_model(SMALL, 1)], "out": tmp_path / "out", "verify": True}
    half = str(lossmith.restore([folder], precision="bfloat16", **words))
    assert "one tile: bfloat16 differs from float32 by at most" in half
    assert "of the 8-bit values are the same; compared with the network on the whole image" in half
    # whatever memory the tiles have, they are compared with the whole image
    tiles = str(lossmith.restore([folder], precision="float32", memory=5e-5, **words))
    assert "6 tiles that see 4 pixels around: computed in float32; differs by at most" in tiles
    assert "compared with the network on the whole image" in tiles
    assert float(tiles.split("at most ")[1].split()[0]) < 0.01


@pytest.mark.parametrize("size", [(1, 1), (73, 61), (130, 3), (97, 101)])
def test_verify_detects_a_seam_in_any_image(
    size, random_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = FileRestorer(load_engine(random_model("fcn", 1)), RestoreOptions(precision="float32", memory=1e-3))
    values = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert tool.verify(tmp_path / "a.png", tmp_path / "work").max_error < 0.01
    plan = TilePlan((16, 16))
    monkeypatch.setattr(Planner, "plan", lambda *_: plan)
    deviation = tool.verify(tmp_path / "a.png", tmp_path / "work")
    assert (deviation.max_error > 0.5) == (deviation.tiles > 1) == (max(size) > 16)


def test_verify_names_the_window_compared_where_the_whole_image_does_not_fit(
    random_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = FileRestorer(load_engine(random_model("fcn", 1)), RestoreOptions(precision="float32", memory=1e-2))
    values = np.random.default_rng(0).integers(0, 256, (400, 300, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    monkeypatch.setattr("lossmith.restoration.verification.free_memory", lambda _: 4e7)
    deviation = tool.verify(tmp_path / "a.png", tmp_path / "work")
    assert deviation.window is not None
    assert 0 < deviation.window[0] * deviation.window[1] < 400 * 300
    assert f"the middle of a window of {deviation.window[0]} x {deviation.window[1]} pixels" in str(deviation)
    assert deviation.max_error < 0.01  # what lies near the window's own ends is not counted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": 90}, "`quality` is 1 to 100, for `format` jpeg or webp"),
        ({"format": "jpeg", "bits": "16"}, "JPEG holds 8 bits"),
        ({"halo": -1}, "`halo` must be 'auto', 'exact' or a number of pixels"),
        ({"halo": "wide"}, "`halo` must be 'auto', 'exact' or a number of pixels"),
        ({"format": "bmp"}, "`format` must be png, jpeg, webp, tiff or npy, not 'bmp'"),
        ({"bits": 16}, "`bits` must be auto, 8 or 16, not 16"),
        ({"precision": "half"}, "`precision` must be auto, float32, bfloat16 or float16"),
        ({"memory": 0.0}, "`memory` must be more than 0 gigabytes"),
    ],
)
def test_invalid_options_are_refused(options, message, random_model, tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match=f"^{message}"):
        lossmith.restore(
            [images(tmp_path / "in", "a.png")], model=[random_model(SMALL, 1)], out=tmp_path, **options
        )
