"""Image files to tensors and back: reading, writing, folders, pairs to test on, patches to train on.

images = degraded_images(find_images("photos"), degradation("bicubic(4)"))
degraded, clean = PatchDataset(images, patch=96, seed=0)[index]
"""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.data.folders import find_images
    from lossmith.data.headers import read_headers
    from lossmith.data.masks import mask_of, read_mask
    from lossmith.data.options import Data
    from lossmith.data.pairing import pair_folders
    from lossmith.data.patches import PatchDataset
    from lossmith.data.photos import prepare_photos
    from lossmith.data.picture_headers import (
        PictureHeader,
        PictureHeaders,
        picture_size,
        read_picture_header,
        read_picture_headers,
    )
    from lossmith.data.picture_metadata import PictureMetadata, read_picture_metadata
    from lossmith.data.picture_reader import PictureReader
    from lossmith.data.picture_writing import picture_suffix, write_picture
    from lossmith.data.pictures import read_picture
    from lossmith.data.pixel_choice import check_pictures, choose_pixels
    from lossmith.data.prepare import PreparedData, prepare_data, prepare_test_images, prepare_test_pairs
    from lossmith.data.reading import image_size, read_image
    from lossmith.data.samples import sample_images
    from lossmith.data.test_pairs import ImagePair, image_names, load_test_pairs, make_test_pairs
    from lossmith.data.training_images import TrainingImages, degraded_images, paired_images
    from lossmith.data.validation_split import split_validation, with_tests
    from lossmith.data.writing import to_uint8_hwc, write_image
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "Data",
    "ImagePair",
    "PatchDataset",
    "PictureHeader",
    "PictureHeaders",
    "PictureMetadata",
    "PictureReader",
    "PreparedData",
    "TrainingImages",
    "check_pictures",
    "choose_pixels",
    "degraded_images",
    "find_images",
    "image_names",
    "image_size",
    "load_test_pairs",
    "make_test_pairs",
    "mask_of",
    "pair_folders",
    "paired_images",
    "picture_size",
    "picture_suffix",
    "prepare_data",
    "prepare_photos",
    "prepare_test_images",
    "prepare_test_pairs",
    "read_headers",
    "read_image",
    "read_mask",
    "read_picture",
    "read_picture_header",
    "read_picture_headers",
    "read_picture_metadata",
    "sample_images",
    "split_validation",
    "to_uint8_hwc",
    "with_tests",
    "write_image",
    "write_picture",
]
