"""Pictures: files to tensors and back, folders, samples, pairs to test with and patches to train on.

source = degraded_source(find_pictures("photos"), degradation("bicubic(4)"))
degraded, clean = Patches(source, patch=96, seed=0)[index]
"""

from lossmith.images.data import Data, Gathered, gather, gather_pairs, gather_tests
from lossmith.images.folders import find_pictures
from lossmith.images.pairing import pair_folders
from lossmith.images.pairs import Pair, folder_pairs, picture_names, test_pairs
from lossmith.images.patches import Patches
from lossmith.images.reading import picture_size, read_picture
from lossmith.images.samples import sample_pictures
from lossmith.images.source import Source, degraded_source, paired_source
from lossmith.images.writing import to_bytes, write_picture

__all__ = [
    "Data",
    "Gathered",
    "Pair",
    "Patches",
    "Source",
    "degraded_source",
    "find_pictures",
    "folder_pairs",
    "gather",
    "gather_pairs",
    "gather_tests",
    "pair_folders",
    "paired_source",
    "picture_names",
    "picture_size",
    "read_picture",
    "sample_pictures",
    "test_pairs",
    "to_bytes",
    "write_picture",
]
