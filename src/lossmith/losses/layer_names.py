"""The names that people give to the layers of VGG, AlexNet and SqueezeNet."""

from itertools import count

from torch import nn

KINDS = {nn.Conv2d: "conv", nn.BatchNorm2d: "bn", nn.ReLU: "relu"}


def usual_names(network: nn.Module) -> dict[str, str]:
    """The path of each layer in `network.features`, or in a network that is itself a sequence, by its usual names.

    `conv5_4`, `relu2_2`, `bn1_1`: block and number within it (VGG), where `pool3` ends block 3; `conv4`, `relu8`:
    counted throughout (AlexNet); `fire2`: SqueezeNet's modules, counted as in its paper.

    `conv5_4` is before the activation, `relu5_4` after it. What a module of the network is called, it stays.

    >>> network = nn.Module()
    >>> network.features = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3))
    >>> sorted(usual_names(network))
    ['conv1', 'conv1_1', 'conv2', 'conv2_1', 'pool1', 'relu1', 'relu1_1']
    """
    layers = getattr(network, "features", network)
    if not isinstance(layers, nn.Sequential):
        return {}
    prefix = "" if layers is network else "features."
    named: dict[str, str] = {}
    block, within, throughout, fires = 1, 0, 0, count(2)
    for path, layer in layers.named_children():
        place = f"{prefix}{path}"
        if kind := KINDS.get(type(layer)):
            if kind == "conv":
                within, throughout = within + 1, throughout + 1
            named[f"{kind}{block}_{within}"] = named[f"{kind}{throughout}"] = place
        elif isinstance(layer, nn.MaxPool2d):
            named[f"pool{block}"] = place
            block, within = block + 1, 0
        elif type(layer).__name__ == "Fire":
            named[f"fire{next(fires)}"] = place
    own = dict(network.named_modules())
    return {name: place for name, place in named.items() if name not in own}


__all__ = ["usual_names"]
