"""The option that says how far around a tile the network sees."""

from typing import Literal

Halo = int | Literal["auto", "exact"]
"""Pixels; the receptive field, exactly; or fewer where that is too large to be seen."""
