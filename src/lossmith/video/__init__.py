"""Films, frame by frame: read, painted by anything that maps frames to frames, and written with their sound."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.video.deflicker import Deflicker, flicker
    from lossmith.video.film import FILM_SUFFIXES, PIPE, FilmFormat, is_film
    from lossmith.video.options import FilmOptions
    from lossmith.video.painter import FramePainter, Painter
    from lossmith.video.painting import PaintedFilm, paint_film
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "FILM_SUFFIXES",
    "PIPE",
    "Deflicker",
    "FilmFormat",
    "FilmOptions",
    "FramePainter",
    "PaintedFilm",
    "Painter",
    "flicker",
    "is_film",
    "paint_film",
]
