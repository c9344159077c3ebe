"""The pictures of a study's runs, beside each other."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lossmith.commands.study.job import OpenBenchmark, StudyRun
from lossmith.core.files import safe_file_name
from lossmith.data import read_image, to_uint8_hwc

MOST = 3
"""Items whose pictures are shown."""

Pictures = Mapping[str, Mapping[str, NDArray[np.uint8]]]
"""By item and by name of what made them, (H, W, 3)."""


def pictures_of(runs: Sequence[StudyRun], benchmark: str, source: OpenBenchmark | None) -> Pictures:
    """What each configuration of a benchmark made of the same few items with its first seed, and the originals."""
    first: dict[str, StudyRun] = {}
    for run in runs:
        if run.benchmark == benchmark and not run.failure:
            first.setdefault(run.configuration.name, run)
    items = {safe_file_name(row.image): row.image for run in first.values() for row in run.rows}
    folders = {name: _files(run.images) for name, run in first.items()}
    shown = sorted(set.intersection(*(set(files) for files in folders.values()))) if folders else []
    pictures = {}
    for stem in shown[:MOST]:
        item = items.get(stem, stem)
        originals = source.benchmark.originals(source.data, item) if source else {}
        results = {name: read_image(files[stem]) for name, files in folders.items()}
        pictures[item] = {name: to_uint8_hwc(image) for name, image in (originals | results).items()}
    return pictures


def _files(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in folder.rglob("*.png")}
