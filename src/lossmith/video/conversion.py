"""Frames of films to arrays, and back, in the colors in which the film is stored."""

from typing import Any

from lossmith.video.film import FilmFormat, Pixels, pyav

RGB, BT709 = 0, 1
SWSCALE_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""swscale's numbers for the matrices of ITU-T H.273."""
BT601, MAX_BT601_HEIGHT = 5, 576
"""The matrix of films that name none and are at most so high; what is higher has BT.709, as players take it."""
LIMITED, FULL = 1, 2


def to_pixels(frame: Any, film: FilmFormat) -> Pixels:
    """A decoded frame as RGB, (height, width, 3)."""
    rgb = frame.reformat(
        film.width,  # which may change within a film
        film.height,
        format=film.rgb_format,
        src_colorspace=_matrix(film),
        src_color_range=film.color_range or LIMITED,
        dst_color_range=FULL,
        interpolation=_exactly(),
    )
    pixels: Pixels = rgb.to_ndarray()
    return pixels


def from_pixels(pixels: Pixels, film: FilmFormat) -> Any:
    """RGB as a frame to encode; the inverse of `to_pixels`."""
    frame = (
        pyav()
        .VideoFrame.from_ndarray(pixels, format=film.rgb_format)
        .reformat(
            format=film.pixel_format,
            src_color_range=FULL,
            dst_colorspace=_matrix(film),
            dst_color_range=film.color_range or LIMITED,
            interpolation=_exactly(),
        )
    )
    tag(frame, film)
    return frame


def is_rgb(pixel_format: str) -> bool:
    """Whether values are stored as red, green and blue."""
    return bool(pyav().VideoFormat(pixel_format).is_rgb)


def tag(target: Any, film: FilmFormat) -> None:
    """Say which colors the values of a frame, or of a coded stream, stand for."""
    target.color_range = film.color_range
    target.colorspace = film.colorspace
    target.color_primaries = film.color_primaries
    target.color_trc = film.color_trc


def _matrix(film: FilmFormat) -> int:
    return SWSCALE_MATRICES.get(film.colorspace, BT709 if film.height > MAX_BT601_HEIGHT else BT601)


def _exactly() -> int:
    flags = pyav().video.reformatter.Interpolation
    return int(flags.BICUBIC | flags.ACCURATE_RND | flags.FULL_CHR_H_INT | flags.FULL_CHR_H_INP)
