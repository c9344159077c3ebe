"""The options that concern films only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FilmOptions:
    """How films are painted; images have no use for it."""

    deflicker: float = 0.0
    """Share of the previous frame's result, 0 to below 1, where the film stands still: less flicker."""
    codec: str | None = None
    """Codec of the result, as ffmpeg calls it [default: libx264; in .webm libvpx-vp9]."""
    crf: float | None = None
    """Constant rate factor: lower is better and larger [default: 18 for libx264]."""
    frame_size: str | None = None
    """WIDTHxHEIGHT of raw frames (rgb24) from the standard input, where the film is -."""
    rate: str = "25"
    """Their frames per second, such as 30000/1001."""
