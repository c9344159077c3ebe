"""What stands below the help of a command: an example."""

from collections.abc import Callable
from typing import Any

EXAMPLES = {
    "compare": 'lossmith compare photos/ --degradation "jpeg(10)" --losses l1 mix "l1 + 0.1*tv" --test holiday/',
    "tune": 'lossmith tune photos/ --loss "l1 + W*mdf(jpeg)" --search "W=0.001..1 log" --goals psnr niqe',
    "train": 'lossmith train photos/ --degradation "bicubic(2)" --loss mix --steps 2000 --out runs/x2',
    "evaluate": "lossmith evaluate runs/x2/model.safetensors --test Set5/",
    "judge": "lossmith judge old/ new/ --test targets/ --out runs/new-or-old",
    "study": "lossmith study --data benchmarks/ --networks squeezenet1_1 timm/resnet18 --out runs/study",
    "check_loss": 'lossmith check-loss mix my_module:MyLoss "kornia.losses:MS_SSIMLoss(alpha=0.84)"',
    "learn_loss": 'lossmith learn-loss photo.png --degradation "jpeg(10)" --out my-loss.safetensors',
    "learn_style": "lossmith learn-style photos/ --style candy.jpg --preset johnson_small --out candy.safetensors",
    "show_loss": "lossmith show-loss my-loss.safetensors",
    "convert_mdf": "lossmith convert-mdf Ds_JPEG.pth --out mdf-jpeg.safetensors",
    "export": "lossmith export runs/x4/model.safetensors --out release/",
    "blend": "lossmith blend psnr.safetensors gan.safetensors --alpha 0:1:0.1 --out runs/between",
    "restore": "lossmith restore photos/ --task x4 --out enlarged/",
    "stylize": "lossmith stylize photos/ --model style.safetensors --out painted/",
    "reproduce": "lossmith reproduce runs/x2/model.safetensors --images photos/",
}
"""The command lines, by the names of the functions."""


def epilogue(command: Callable[..., Any]) -> str:
    """What stands below the help of a command that computes."""
    example = EXAMPLES.get(command.__name__)
    return (f"Example: {example}\n\n" if example else "") + (
        "Options may also be in a YAML file, --config FILE; --device cpu or --device cuda:1 says where to compute."
    )
