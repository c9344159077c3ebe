"""How unlike pictures are, locally, with a gradient that is computed together with the value: see `measures`."""

from lossmith.losses.similarity.formulas import Constants
from lossmith.losses.similarity.measures import by_plane, whole
from lossmith.losses.similarity.plan import Gaussian, Plan
from lossmith.losses.similarity.pyramid import Pyramid
from lossmith.losses.similarity.scale import Mean, central_dissimilarity, dissimilarity_map

__all__ = [
    "Constants",
    "Gaussian",
    "Mean",
    "Plan",
    "Pyramid",
    "by_plane",
    "central_dissimilarity",
    "dissimilarity_map",
    "whole",
]
