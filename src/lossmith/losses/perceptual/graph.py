"""A network that runs only as far as the layers that are asked for, and gives what comes out of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from threading import RLock, get_ident
from typing import Any

from torch import Tensor, fx, nn

from lossmith.core.errors import LossmithError, unknown_name_error

KINDS = {nn.Conv2d: "conv", nn.BatchNorm2d: "bn", nn.ReLU: "relu"}


def layer_aliases(network: nn.Module) -> dict[str, str]:
    """The path of each layer in `network.features`, or in a network that is itself a sequence, by its usual names.

    `conv5_4`, `relu2_2`, `bn1_1`: block and number within it (VGG), where `pool3` ends block 3; `conv4`, `relu8`:
    counted throughout (AlexNet); `fire2`: SqueezeNet's modules, counted as in its paper.

    `conv5_4` is before the activation, `relu5_4` after it. What a module of the network is called, it stays.

    >>> network = nn.Module()
    >>> network.features = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3))
    >>> sorted(layer_aliases(network))
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


OVERWRITABLE = (nn.Conv2d, nn.BatchNorm2d)
"""Layers whose output nobody else holds, so that it may be changed in place."""


def feature_graph(network: nn.Module, layers: Sequence[str]) -> nn.Module:
    """A module that gives the outputs of these layers, as a list.

    A layer is named as people name it (`relu2_2`, see `layer_names`), by the path of its module (`layer4.1.bn2`;
    of a block, its last layer), or by path and operation (`layer4.1.add`, `layer1.0.relu_1` for the second run).
    The network is traced; what comes after the last of the layers is not kept. A network that cannot be traced
    is stopped behind the last of them.

    The network is changed: it is put into eval mode and does not compute in place where that could be seen.

    Raises LossmithError for layers that it does not have.
    """
    network.eval()
    aliases = layer_aliases(network)
    paths = [aliases.get(layer, layer) for layer in layers]
    try:
        graph = _trace(network)
    except Exception:  # what the code of a network may raise when it is run without numbers
        return HookedNetwork(network, paths, aliases)
    if any(_changes_its_input(node) for node in graph.nodes):
        return HookedNetwork(network, paths, aliases)
    return _cut(network, graph, paths, aliases)


class _Tracer(fx.Tracer):
    """Notes what is called in its own thread. What others call meanwhile, it would otherwise meet as well."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = get_ident()

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        if get_ident() != self.thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)


_tracing = RLock()
"""Held while a network is traced, which changes how modules are called in all threads."""


def _trace(network: nn.Module) -> fx.Graph:
    with _tracing:
        return _Tracer().trace(network)


def _cut(network: nn.Module, graph: fx.Graph, paths: list[str], aliases: dict[str, str]) -> nn.Module:
    named = _named_nodes(graph)
    for path in paths:
        if path not in named:
            raise unknown_name_error("layer", path, {*named, *aliases})
    taps = [named[path] for path in paths]
    (end,) = (node for node in graph.nodes if node.op == "output")
    end.args = (taps,)
    whole = fx.GraphModule(network, graph)
    whole.graph.eliminate_dead_code()
    _forbid_in_place(whole, taps)
    return fx.GraphModule(whole, whole.graph)  # which takes over what the graph still runs


def _named_nodes(graph: fx.Graph) -> dict[str, fx.Node]:
    """The nodes by path; an operation by the path of its module and its name; a block by its last node."""
    named: dict[str, fx.Node] = {}
    blocks: dict[str, fx.Node] = {}
    runs: Counter[str] = Counter()
    for node in graph.nodes:
        if not node.op.startswith("call_"):
            continue
        path = [module for module, _ in node.meta.get("nn_module_stack", {}).values()]
        if node.op == "call_module":
            own, path = str(node.target), path[:-1]
        else:
            own = ".".join([*path[-1:], getattr(node.target, "__name__", str(node.target))])
        named[f"{own}_{runs[own]}" if runs[own] else own] = node
        runs[own] += 1
        blocks.update(dict.fromkeys(path, node))
    return {**blocks, **named}


def _changes_its_input(node: fx.Node) -> bool:
    """Whether it is an operation such as `x.relu_()`, which works by what it does to its input."""
    name = getattr(node.target, "__name__", str(node.target))
    return node.op in ("call_method", "call_function") and name.endswith("_") and not name.endswith("__")


def _forbid_in_place(network: fx.GraphModule, taps: list[fx.Node]) -> None:
    """Let an activation overwrite only what a layer has just made for it alone; that saves half the memory."""
    modules = dict(network.named_modules())

    def may_overwrite(node: fx.Node) -> bool:
        (given, *_) = node.all_input_nodes
        made_for_it = given.op == "call_module" and isinstance(modules[str(given.target)], OVERWRITABLE)
        return made_for_it and given not in taps and len(given.users) == 1

    for node in network.graph.nodes:
        if node.op == "call_function" and node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": may_overwrite(node)}
        if node.op == "call_module" and getattr(modules[str(node.target)], "inplace", False):
            modules[str(node.target)].inplace = may_overwrite(node)


class HookedNetwork(nn.Module):
    """A network that is left behind the last of the layers that are asked for."""

    def __init__(self, network: nn.Module, paths: list[str], aliases: dict[str, str]) -> None:
        super().__init__()
        modules = dict(network.named_modules())
        for path in paths:
            if path not in modules:
                raise unknown_name_error("layer", path, {*modules, *aliases} - {""})
        for module in modules.values():
            if hasattr(module, "inplace"):
                module.inplace = False
        self.network, self.paths = network, paths

    def forward(self, image: Tensor) -> list[Tensor]:
        found: dict[str, Tensor] = {}

        def keep(path: str, module: nn.Module, given: Any, output: Tensor) -> Tensor:
            if not isinstance(output, Tensor):
                raise LossmithError(f"layer '{path}' gives a {type(output).__name__}, not feature maps")
            found[path] = output
            if found.keys() == {*self.paths}:
                raise _ReachedError
            return output.clone()  # the network may overwrite it

        modules = dict(self.network.named_modules())
        hooks = [modules[path].register_forward_hook(partial(keep, path)) for path in {*self.paths}]
        try:
            self.network(image)
        except _ReachedError:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        if missed := [path for path in self.paths if path not in found]:
            raise LossmithError(f"layer '{missed[0]}' is not reached when the network runs")
        return [found[path] for path in self.paths]


class _ReachedError(Exception):
    """Every layer that is asked for has run."""


def freeze(network: nn.Module) -> None:
    """Make its weights buffers, which no optimizer ever sees and no checkpoint repeats."""
    for module in network.modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            delattr(module, name)
            module.register_buffer(name, tensor.detach(), persistent=False)


__all__ = ["feature_graph", "freeze", "layer_aliases"]
