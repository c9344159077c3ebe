"""One image file restored into another."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from lossmith._version import __version__
from lossmith.core.devices import best_device, out_of_memory
from lossmith.core.errors import LossmithError, and_more
from lossmith.core.files import atomic_write, hidden_beside, sha256_of, write_text
from lossmith.restoration.channels import BICUBIC_REACH, ChannelAdapter
from lossmith.restoration.engine import Engine, Precision, TorchEngine
from lossmith.restoration.half_precision import fastest_accurate
from lossmith.restoration.io.carrying import Cargo, loaded
from lossmith.restoration.io.decoding import Original, decode, look_at, pixels_of
from lossmith.restoration.io.encoding import check_fits, encode, read_record
from lossmith.restoration.io.formats import Format
from lossmith.restoration.io.profiles import in_srgb
from lossmith.restoration.output_range import Outcome
from lossmith.restoration.resampling import Size, about_size, check_size, resampled, size_of_result
from lossmith.restoration.tiling.memory import SHARE, free_memory
from lossmith.restoration.tiling.plan import Halo, Planner, TilePlan
from lossmith.restoration.tiling.raster import Raster
from lossmith.restoration.tiling.receptive_field import Sizes, sizes_of
from lossmith.restoration.tiling.run import TileCanvas, WholeDoesNotFit, finalize, new_canvas, restore_tiles
from lossmith.restoration.verification import Verified, middle, verify

DARK = 1 << 14
"""16-bit values below which, as of 14 bits and fewer, all of an image is dark."""
DOUBTFUL_REMARK = "JPEG data that are damaged in places, where pixels may be wrong:"
DARK_REMARK = "16-bit values that use at most a quarter of their range look dark to a model; spread them first:"


Bits = Literal["auto", "8", "16"]
Alpha = Literal["resize", "restore"]
CHOICES: dict[str, tuple[str, ...]] = {
    "format": get_args(Format),
    "bits": get_args(Bits),
    "alpha": get_args(Alpha),
    "precision": ("auto", *get_args(Precision)),
}


@dataclass(frozen=True)
class RestoreOptions:
    """How images are to be restored; see `lossmith.restore`."""

    format: Format = "png"
    bits: Bits = "auto"
    quality: int | None = None
    alpha: Alpha = "resize"
    halo: Halo = "auto"
    memory: float | None = None
    precision: Literal["auto"] | Precision = "auto"
    scale_to: float | None = None
    size: Size | None = None

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if (value := getattr(self, name)) not in known:
                raise LossmithError(f"{name} must be {', '.join(known[:-1])} or {known[-1]}, not {value!r}")
        check_size(self.scale_to, self.size)
        if self.quality is not None and (self.format not in ("jpeg", "webp") or not 1 <= self.quality <= 100):
            raise LossmithError("quality is 1 to 100, for --format jpeg or webp")
        if self.bits == "16" and self.format not in ("png", "tiff"):
            raise LossmithError(f"{self.format.upper()} holds 8 bits; 16 go into --format png or tiff")
        if (self.halo < 0) if isinstance(self.halo, int) else (self.halo not in ("auto", "exact")):
            raise LossmithError(f"halo must be 'auto', 'exact' or a number of pixels, not {self.halo}")
        if self.memory is not None and not self.memory > 0:
            raise LossmithError(f"memory must be more than 0 gigabytes, not {self.memory}")

    def size_of(self, height: int, width: int, scale: int) -> tuple[int, int]:
        """Height and width of the result of an image, of which a model makes one `scale` times as large."""
        return size_of_result(height, width, scale, self.scale_to, self.size)


@dataclass
class FileRestorer:
    """A model and how it is to be used, on one file after another."""

    reference: Engine
    options: RestoreOptions = field(default_factory=RestoreOptions)
    notes: list[str] = field(default_factory=list)
    """What the user should know of the model, as far as the images up to now have shown."""
    oddities: dict[str, dict[Path, None]] = field(default_factory=dict)
    """What is strange about results, and about those of which images."""
    planner: Planner | None = None
    """Knows the engine on its device and in its precision, chosen on the first image."""
    most: float = inf
    """Bytes of which an image in one piece has shown that they are not there."""
    changes: dict[str, dict[Path, None]] = field(default_factory=dict)
    """What results will not keep, or not as it was, and of which images."""

    def is_done(self, image: Path, result: Path) -> bool:
        """Whether the result is there, made from this very image in this way.

        Raises LossmithError when the file that is there was made by something else.
        """
        if not os.path.exists(result):  # which, of a name that is too long, is an error elsewhere
            return False
        record = read_record(result)
        if record is None:
            raise LossmithError(
                f"'{result}' exists and was not made by lossmith restore; move it, or change --out"
            )
        if (source := record.get("image", image.name)) != image.name:
            raise LossmithError(
                f"'{result}' was made of '{source}'; restore both with one command, or change --out"
            )
        return bool(record.get("settings") == self._settings_of(image))

    def restore(self, image: Path, result: Path, advance: Callable[[int], None] = lambda pixels: None) -> None:
        """Restore an image; what was finished before it was stopped stays. `advance` hears of pixels done.

        Raises LossmithError, in one sentence, when it cannot be read, restored or written; then nothing new is
        under the name of the result.
        """
        original, cargo = self._looked_at(image)
        folder = hidden_beside(result, "unfinished")
        try:
            _make(folder)
            with _kept_if_begun(folder), self._enough_memory():
                self._restore(original, cargo, result, folder, advance)
        except OSError as error:
            raise LossmithError(f"cannot write {result}: {error.strerror or error}") from error
        shutil.rmtree(folder, ignore_errors=True)

    def told(self) -> list[str]:
        """What the user should know at the end."""
        return [*self.notes, *(f"{what} {and_more([*images])}" for what, images in self.oddities.items())]

    def foresee(self, image: Path) -> tuple[int, int]:
        """Note in `changes` what the result of an image will not keep, as far as its header says.

        Gives the bytes, unpacked, of the image and of what the model makes of it.
        """
        original, _ = self._looked_at(image)
        values = original.height * original.width * original.channels
        made = values * self.reference.scale**2 * np.dtype(self._dtype(original.dtype)).itemsize
        return values * np.dtype(original.dtype).itemsize, made

    def foreseen(self) -> list[str]:
        """What results will not keep, or not as it was: each once, with an image, and how many more."""
        return [f"{what}: {and_more([*images])}" for what, images in self.changes.items()]

    def verified(self, image: Path, folder: Path) -> Verified:
        """What tiles and half precision change, against the network on the whole of an image."""
        _make(folder)
        try:
            source = decode(image, folder / "source").raster
            with self._enough_memory():
                planner = self._planner_for(source)
                return verify(planner, source, self._plan(planner, source), self.options.alpha == "restore")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _enough_memory(self) -> Iterator[None]:
        """For the pieces on which a network is tried, too, which cannot be smaller."""
        try:
            yield
        except Exception as error:
            if not out_of_memory(error):
                raise
            few = f"there is not enough memory to run model '{self.reference.name}' on a small piece"
            raise LossmithError(f"{few}; end what else uses it, or take a smaller network") from error

    def _looked_at(self, image: Path) -> tuple[Original, Cargo]:
        """An image, and what is written beside its result; raises LossmithError where that cannot be."""
        original, scale = look_at(image), self.reference.scale
        dtype = self._dtype(original.dtype)
        size = self.options.size_of(*original.size, scale)
        check_fits((*size, original.channels), self.options.format)
        cargo = loaded(original, self.options.format, size, narrowed=dtype != original.dtype)
        for what in (*cargo.remarks, *about_size(original.size, size, scale)):
            self.changes.setdefault(what, {})[image] = None
        return original, cargo

    def _restore(
        self, original: Original, cargo: Cargo, result: Path, folder: Path, advance: Callable[[int], None]
    ) -> None:
        image = original.path
        decoded = pixels_of(original, folder / "source")
        source = decoded.raster
        if source.dtype == "uint16" and decoded.brightest < DARK:
            self.oddities.setdefault(DARK_REMARK, {})[image] = None
        if decoded.doubtful:
            self.oddities.setdefault(DOUBTFUL_REMARK, {})[image] = None
        dtype = self._dtype(source.dtype)
        planner = self._planner_for(source)
        used = planner.used
        while True:
            plan = self._plan(planner, source)
            applied = {
                "precision": getattr(used, "precision", "float32"),
                "tiles": "blended" if plan.blended else "exact",
                "halo": plan.halo,
            }
            record = {
                "image": image.name,
                "settings": self._settings_of(image),
                "applied": applied,
                "version": __version__,
            }
            canvas = self._canvas(source, folder, plan, dtype, {**record, "plan": asdict(plan)})
            advance(_finished_pixels(canvas, plan, source))
            try:
                outcome = Outcome(used.name)
                restore_tiles(
                    source, canvas, ChannelAdapter(used, self.options.alpha == "restore"), plan, advance, outcome
                )
                break
            except WholeDoesNotFit:
                self.most = min(self.most, source.height * source.width * planner.need) / 4
        if outcome.remark:
            self.oddities.setdefault(outcome.remark, {})[image] = None
        made = finalize(canvas, plan, dtype, replace(source, path=folder / "settled"))
        size = self.options.size_of(source.height, source.width, self.reference.scale)
        if size != (made.height, made.width):
            made = resampled(made, size, folder / "resampled")
        source.path.unlink()
        try:
            if cargo.from_profile:
                colors = 3 if self.options.format == "webp" else 1
                made = in_srgb(made, cargo.from_profile, colors, folder / "srgb")
            with atomic_write(result) as draft:
                encode(draft, made, self.options.format, self.options.quality, cargo.metadata, record)
        except (OSError, LossmithError):
            raise
        except Exception as error:  # whatever writers stumble over in what anybody's image says
            beside = f"with what '{image}' says beside its pixels"
            advice = "take it out, or take another --format"
            raise LossmithError(f"cannot write '{result}' {beside} ({error}); {advice}") from error

    def _plan(self, planner: Planner, source: Raster) -> TilePlan:
        used = planner.used
        device = used.device if isinstance(used, TorchEngine) else best_device()
        budget = SHARE * free_memory(device) if self.options.memory is None else 1e9 * self.options.memory
        floor = BICUBIC_REACH if source.channels in (2, 4) and used.scale > 1 else 0
        plan = planner.plan(source, min(budget, self.most), self.options.halo, floor)
        if plan.note and plan.note not in self.notes:
            self.notes.append(plan.note)
        return plan

    def _planner_for(self, source: Raster) -> Planner:
        if self.planner is None:
            exact, sizes = self.reference, sizes_of(self.reference)
            used = self._chosen(exact, source, sizes) if isinstance(exact, TorchEngine) else exact
            self.planner = Planner(exact, used, sizes)
            if numbers := exact.metadata.get("numbers"):
                self.notes.append(f"model '{exact.name}' works in other numbers, {numbers}: they are converted")
        return self.planner

    def _chosen(self, exact: TorchEngine, source: Raster, sizes: Sizes) -> Engine:
        engine = exact.on(best_device())
        if self.options.precision != "auto":
            return engine.computing_in(self.options.precision)
        return fastest_accurate(engine, middle(exact, source, sizes))

    def _canvas(
        self, source: Raster, folder: Path, plan: TilePlan, dtype: str, state: dict[str, Any]
    ) -> TileCanvas:
        """What was begun in the same way, or a new one."""
        painted, finished = (replace(source, path=folder / name) for name in ("painted", "finished"))
        note, text = folder / "state.json", json.dumps(state, sort_keys=True)
        begun = note.is_file() and note.read_text() == text
        canvas = new_canvas(source, self.reference.scale, plan, dtype, painted, finished, keep=begun)
        write_text(note, text)
        return canvas

    def _dtype(self, dtype: str) -> str:
        if self.options.format in ("jpeg", "webp"):
            return "uint8"
        return {"auto": dtype, "8": "uint8", "16": "uint16"}[self.options.bits]

    def _settings_of(self, image: Path) -> dict[str, Any]:
        """All that determines the result of an image, which `memory` does not."""
        options = {name: value for name, value in asdict(self.options).items() if name != "memory"}
        engine = self.reference
        return {"image_sha256": sha256_of(image), "model": engine.metadata, "scale": engine.scale, **options}


def _make(folder: Path) -> None:
    """A folder to work in, through which nothing is written anywhere else."""
    folder.mkdir(parents=True, exist_ok=True)
    if link := next((path for path in (folder, *folder.iterdir()) if path.is_symlink()), None):
        raise LossmithError(f"'{link}' is a link, which may lead anywhere; remove it")


@contextmanager
def _kept_if_begun(folder: Path) -> Iterator[None]:
    """When the block fails, the folder goes, unless a restoration would go on with what is in it."""
    try:
        yield
    except BaseException:
        finished = folder / "finished"
        if not (finished.is_file() and any(finished.read_bytes())):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _finished_pixels(canvas: TileCanvas, plan: TilePlan, source: Raster) -> int:
    cells = canvas.finished.mapped()
    return int(cells.mean() * source.height * source.width)
