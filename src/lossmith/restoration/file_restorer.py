"""Restores one image file into another."""

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
from lossmith.core.files import atomic_write, hidden_path, refuse_links, sha256_of, write_text
from lossmith.core.pixel_format import PixelFormat
from lossmith.restoration.channels import BICUBIC_REACH, ChannelAdapter
from lossmith.restoration.engine import Engine, Precision, TorchEngine
from lossmith.restoration.half_precision import fastest_accurate
from lossmith.restoration.histograms import match_raster
from lossmith.restoration.io.codec import is_photo_format
from lossmith.restoration.io.decoding import Original
from lossmith.restoration.io.encoding import check_fits, read_record
from lossmith.restoration.io.formats import Format
from lossmith.restoration.io.pictures import codec_for
from lossmith.restoration.io.profiles import convert_to_srgb
from lossmith.restoration.io.transfer import TransferredMetadata
from lossmith.restoration.output_range import RangeCheck
from lossmith.restoration.resampling import Size, check_size, resample, size_notes, size_of_result
from lossmith.restoration.statistics_of_image import can_be_frozen, freeze_planner
from lossmith.restoration.tiling.halo import Halo
from lossmith.restoration.tiling.memory import MEMORY_FRACTION, free_memory
from lossmith.restoration.tiling.plan import Planner, TilePlan
from lossmith.restoration.tiling.raster import Raster
from lossmith.restoration.tiling.receptive_field import Sizes, sizes_of
from lossmith.restoration.tiling.run import TileCanvas, WholeDoesNotFit, finalize, new_canvas, restore_tiles
from lossmith.restoration.verification import Verification, center_sample, verify

DOUBTFUL_NOTE = "JPEG data that are damaged in places, where pixels may be wrong:"
DARK_NOTE = "16-bit values that use at most a quarter of their range look dark to a model; spread them first:"

Bits = Literal["auto", "8", "16"]
Transparency = Literal["resize", "restore"]
CHOICES: dict[str, tuple[str, ...]] = {
    "format": get_args(Format),
    "bits": get_args(Bits),
    "transparency": get_args(Transparency),
    "precision": ("auto", *get_args(Precision)),
}


@dataclass(frozen=True)
class RestoreOptions:
    """The settings of a restoration; `lossmith.restore` describes them.

    Raises LossmithError where a value is invalid.
    """

    format: Format = "png"
    bits: Bits = "auto"
    quality: int | None = None
    transparency: Transparency = "resize"
    halo: Halo = "auto"
    memory: float | None = None
    precision: Literal["auto"] | Precision = "auto"
    scale_to: float | None = None
    size: Size | None = None
    match_histogram: bool = False

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if (value := getattr(self, name)) not in known:
                raise LossmithError(f"`{name}` must be {', '.join(known[:-1])} or {known[-1]}, not {value!r}")
        check_size(self.scale_to, self.size)
        if self.quality is not None and (self.format not in ("jpeg", "webp") or not 1 <= self.quality <= 100):
            raise LossmithError("`quality` is 1 to 100, for `format` jpeg or webp")
        if self.bits == "16" and self.format not in ("png", "tiff"):
            raise LossmithError(f"{self.format.upper()} holds 8 bits; 16 go into `format` png or tiff")
        if (self.halo < 0) if isinstance(self.halo, int) else (self.halo not in ("auto", "exact")):
            raise LossmithError(f"`halo` must be 'auto', 'exact' or a number of pixels, not {self.halo}")
        if self.memory is not None and not self.memory > 0:
            raise LossmithError(f"`memory` must be more than 0 gigabytes, not {self.memory}")

    def check_for(self, pixels: PixelFormat, formats: tuple[Format, ...]) -> None:
        """Raise LossmithError for options that a model for images of `pixels` has no use for."""
        if self.format not in formats:
            raise LossmithError(f"results of {pixels} go into `format` {' or '.join(formats)}, not {self.format}")
        if is_photo_format(pixels):
            return
        if self.bits != "auto":
            raise LossmithError(f"`bits` is for models of 8 bits; results of this one have {pixels.dtype}")
        if self.match_histogram:
            raise LossmithError(f"`match_histogram` is for 8-bit gray and RGB, and the model is for {pixels}")

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which the network sees an image (height, width)."""
        return height, width

    def header(self, original: Original) -> Original:
        """The header of an image as the network sees it."""
        return original

    def prepare(self, source: Raster, folder: Path) -> Raster:
        """An image as the network sees it; a file that is needed for that is in `folder`."""
        return source

    def adapter(self, engine: Engine) -> ChannelAdapter:
        """What the network makes of pixels."""
        return ChannelAdapter(engine, self.transparency == "restore")

    def size_of(self, height: int, width: int, scale: int) -> tuple[int, int]:
        """Height and width of the result of an image (height, width) under a model of `scale`."""
        return size_of_result(height, width, scale, self.scale_to, self.size)


@dataclass
class FileRestorer:
    """Restores files one after another with a model."""

    reference: Engine
    """The model on the CPU in float32."""
    options: RestoreOptions = field(default_factory=RestoreOptions)
    notes: list[str] = field(default_factory=list)
    """What the user should know about the model, as far as the images so far have shown."""
    warnings: dict[str, dict[Path, None]] = field(default_factory=dict)
    """Doubts about results, and the images that they concern."""
    planner: Planner | None = None
    """Plans for the engine on its device and in its precision, chosen on the first image."""
    max_bytes: float = inf
    """Bytes that were not available when an image in one piece ran out of memory."""
    changes: dict[str, dict[Path, None]] = field(default_factory=dict)
    """Metadata that results will not keep unchanged, and the images that they concern."""

    def __post_init__(self) -> None:
        self.codec = codec_for(self.reference.pixels)
        self.options.check_for(self.reference.pixels, self.codec.formats)

    def is_done(self, image: Path, result: Path) -> bool:
        """Whether the result exists and was made from the same image with the same model and options.

        Raises LossmithError where the existing file was made from another image or by another program.
        """
        if not os.path.exists(result):  # Path.exists raises for a name that is too long
            return False
        record = read_record(result)
        if record is None:
            raise LossmithError(f"'{result}' exists and was not made by lossmith; move it, or change `out`")
        if (source := record.get("image", image.name)) != image.name:
            raise LossmithError(f"'{result}' was made of '{source}'; do both with one command, or change `out`")
        return bool(record.get("settings") == self._settings_of(image))

    def restore(self, image: Path, result: Path, advance: Callable[[int], None] = lambda pixels: None) -> None:
        """Restore an image file; tiles that were finished by an earlier, stopped call are kept.

        `advance` is called with the number of input pixels that are finished.

        Raises LossmithError where the image cannot be read, restored or written; the result is then not written.
        """
        original, transferred = self._read_header(image)
        folder = hidden_path(result, "unfinished")
        try:
            _make_work_folder(folder)
            with _removed_unless_started(folder), self._explain_out_of_memory():
                self._restore(original, transferred, result, folder, advance)
        except OSError as error:
            raise LossmithError(f"cannot write {result}: {error.strerror or error}") from error
        shutil.rmtree(folder, ignore_errors=True)

    def final_notes(self) -> list[str]:
        """What the user should know when all images are restored."""
        return [*self.notes, *(f"{note} {and_more([*images])}" for note, images in self.warnings.items())]

    def inspect(self, image: Path) -> tuple[int, int]:
        """Enter in `changes` which metadata of an image its result will not keep unchanged.

        Returns the sizes in bytes, uncompressed, of the image and of the model's output for it.
        """
        original, _ = self._read_header(image)
        values = original.height * original.width * original.channels
        tall, wide = self.options.input_size(*original.size)
        output_bytes = (
            tall
            * wide
            * original.channels
            * self.reference.scale**2
            * np.dtype(self._dtype(original.dtype)).itemsize
        )
        return values * np.dtype(original.dtype).itemsize, output_bytes

    def change_notes(self) -> list[str]:
        """Metadata that results will not keep unchanged: each once, with one image and the number of others."""
        return [f"{note}: {and_more([*images])}" for note, images in self.changes.items()]

    def verify(self, image: Path, folder: Path) -> Verification:
        """Compare tiles and half precision with the network on the whole image in float32."""
        _make_work_folder(folder)
        try:
            source = self.codec.decode(self.codec.read_header(image), folder / "source").raster
            with self._explain_out_of_memory():
                source = self.options.prepare(source, folder)
                planner, plan, _ = self._planned(source, folder)
                return verify(planner, source, plan, self.options.adapter)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _explain_out_of_memory(self) -> Iterator[None]:
        """Raise out-of-memory errors of the block as LossmithError."""
        try:
            yield
        except Exception as error:
            if not out_of_memory(error):
                raise
            problem = f"there is not enough memory to run model '{self.reference.name}' on a small image"
            raise LossmithError(f"{problem}; end what else uses it, or take a smaller network") from error

    def _read_header(self, image: Path) -> tuple[Original, TransferredMetadata]:
        """The header of an image and the metadata of its result.

        Raises LossmithError where the image cannot be read, or the format cannot hold the result.
        """
        original, scale = self.options.header(self.codec.read_header(image)), self.reference.scale
        dtype = self._dtype(original.dtype)
        size = self.options.size_of(*original.size, scale)
        check_fits((*size, original.channels), self.options.format)
        transferred = self.codec.transfer(original, self.options.format, size, narrowed=dtype != original.dtype)
        for note in (*transferred.notes, *size_notes(original.size, size, scale)):
            self.changes.setdefault(note, {})[image] = None
        return original, transferred

    def _restore(
        self,
        original: Original,
        transferred: TransferredMetadata,
        result: Path,
        folder: Path,
        advance: Callable[[int], None],
    ) -> None:
        image = original.path
        decoded = self.codec.decode(self.codec.read_header(image), folder / "source")
        source = self.options.prepare(decoded.raster, folder)
        share = decoded.raster.height * decoded.raster.width / (source.height * source.width)
        if source.path != decoded.raster.path:
            decoded.raster.path.unlink()
        if decoded.dark:
            self.warnings.setdefault(DARK_NOTE, {})[image] = None
        if decoded.doubtful:
            self.warnings.setdefault(DOUBTFUL_NOTE, {})[image] = None
        dtype = self._dtype(source.dtype)
        while True:
            planner, plan, statistics = self._planned(source, folder)
            engine = planner.engine
            applied = {
                "precision": getattr(engine, "precision", "float32"),
                "tiles": "blended" if plan.blended else "exact",
                "halo": plan.halo,
                **statistics,
            }
            record = {
                "image": image.name,
                "settings": self._settings_of(image),
                "applied": applied,
                "version": __version__,
            }
            canvas = self._canvas(source, folder, plan, dtype, {**record, "plan": asdict(plan)})
            advance(round(share * _finished_pixels(canvas, source)))
            try:
                # a picture may lie outside of its range, and so may its result
                range_check = None if source.dtype == "float32" else RangeCheck(engine.name)
                adapter = self.options.adapter(engine)
                restore_tiles(
                    source, canvas, adapter, plan, lambda pixels: advance(round(share * pixels)), range_check
                )
                break
            except WholeDoesNotFit:
                self.max_bytes = min(self.max_bytes, source.height * source.width * planner.bytes_per_pixel) / 4
        if range_check and range_check.note:
            self.warnings.setdefault(range_check.note, {})[image] = None
        output = finalize(canvas, plan, dtype, replace(source, path=folder / "finalized"))
        if self.options.match_histogram:
            output = match_raster(output, source, folder / "matched")
        size = self.options.size_of(*original.size, self.reference.scale)
        if size != (output.height, output.width):
            output = resample(output, size, folder / "resampled")
        source.path.unlink()
        try:
            if transferred.source_profile:
                colors = 3 if self.options.format == "webp" else 1
                output = convert_to_srgb(output, transferred.source_profile, colors, folder / "srgb")
            with atomic_write(result) as path:
                self.codec.encode(
                    path, output, original, self.options.format, self.options.quality, transferred, record
                )
        except (OSError, LossmithError):
            raise
        except Exception as error:  # any exception of a writer, on account of somebody's metadata
            metadata = f"with the metadata of '{image}'"
            advice = "take it out, or take another `format`"
            raise LossmithError(f"cannot write '{result}' {metadata} ({error}); {advice}") from error

    def _planned(self, source: Raster, folder: Path) -> tuple[Planner, TilePlan, dict[str, Any]]:
        """The planner and the plan of an image, and what the record says of statistics that were frozen for it."""
        planner = self._planner_for(source)
        engine = planner.engine
        statistics: dict[str, Any] = {}
        device = engine.device if isinstance(engine, TorchEngine) else best_device()
        budget = (
            MEMORY_FRACTION * free_memory(device) if self.options.memory is None else 1e9 * self.options.memory
        )
        floor = BICUBIC_REACH if source.has_alpha and engine.scale > 1 else 0
        budget = min(budget, self.max_bytes)
        local = self.options.halo != "exact" and can_be_frozen(engine, source.channels)
        if local and not planner.fits_whole(source, budget):
            frozen = freeze_planner(planner, source, budget, folder)
            planner, statistics = frozen.planner, {"statistics": frozen.copy}
            self._note(frozen.note)
        plan = planner.plan(source, budget, self.options.halo, floor)
        self._note(plan.note)
        return planner, plan, statistics

    def _note(self, note: str) -> None:
        if note and note not in self.notes:
            self.notes.append(note)

    def _planner_for(self, source: Raster) -> Planner:
        if self.planner is None:
            reference, sizes = self.reference, sizes_of(self.reference)
            engine = reference
            if isinstance(reference, TorchEngine):
                engine = self._choose_engine(reference, source, sizes)
            self.planner = Planner(reference, engine, sizes)
            if ranges := reference.metadata.get("numbers"):
                self.notes.append(
                    f"model '{reference.name}' uses other value ranges, {ranges}: they are converted"
                )
        return self.planner

    def _choose_engine(self, reference: TorchEngine, source: Raster, sizes: Sizes) -> Engine:
        """The engine on the best device, in the precision of the options."""
        engine = reference.on(best_device())
        if self.options.precision != "auto":
            return engine.computing_in(self.options.precision)
        if source.dtype == "float32":  # half precision has fewer levels than a deep picture
            return engine
        return fastest_accurate(engine, center_sample(reference, source, sizes))

    def _canvas(
        self, source: Raster, folder: Path, plan: TilePlan, dtype: str, state: dict[str, Any]
    ) -> TileCanvas:
        """The unfinished canvas of an earlier call in the same state, or a new one."""
        pixels, finished = (replace(source, path=folder / name) for name in ("pixels", "finished"))
        state_file, text = folder / "state.json", json.dumps(state, sort_keys=True)
        resumed = state_file.is_file() and state_file.read_text() == text
        canvas = new_canvas(source, self.reference.scale, plan, dtype, pixels, finished, keep=resumed)
        write_text(state_file, text)
        return canvas

    def _dtype(self, dtype: str) -> str:
        """The dtype of the result of an image of a dtype; pictures stay float32 until they are written."""
        if dtype == "float32":
            return dtype
        if self.options.format in ("jpeg", "webp"):
            return "uint8"
        return {"auto": dtype, "8": "uint8", "16": "uint16"}[self.options.bits]

    def _settings_of(self, image: Path) -> dict[str, Any]:
        """All that determines the result of an image, which `memory` and what is off do not."""
        options = {
            name: value for name, value in asdict(self.options).items() if name != "memory" and value is not False
        }
        engine = self.reference
        return {"image_sha256": sha256_of(image), "model": engine.metadata, "scale": engine.scale, **options}


def _make_work_folder(folder: Path) -> None:
    """Create a folder for temporary files; refuse symlinks, through which files elsewhere could be overwritten."""
    refuse_links(folder)
    folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def _removed_unless_started(folder: Path) -> Iterator[None]:
    """Remove the folder when the block fails, unless it holds finished tiles to resume from."""
    try:
        yield
    except BaseException:
        finished = folder / "finished"
        if not (finished.is_file() and any(finished.read_bytes())):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _finished_pixels(canvas: TileCanvas, source: Raster) -> int:
    cells = canvas.finished.mapped()
    return int(cells.mean() * source.height * source.width)
