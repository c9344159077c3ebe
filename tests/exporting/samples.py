"""A model file to export."""

from pathlib import Path

import torch

from lossmith.models.model_file import save_model
from lossmith.networks import network

RECEIPT = {
    "loss": "mix + 0.1*tv",
    "degradation": "bicubic(4) | jpeg(50)",
    "steps": 400,
    "batch": 16,
    "patch": 64,
    "training_images": {"a": "00", "b": "11"},
    "lossmith": "0.1.0",
}


def save_network(folder: Path, expression: str, scale: int) -> Path:
    """A run's model with weights that are all at work; they, and what is drawn after them, are always the same."""
    torch.manual_seed(0)
    net = network(expression, scale)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    path = folder / "sharp" / "model.safetensors"
    save_model(path, net, {**RECEIPT, "network": expression, "scale": scale})
    return path
