"""A network cut after the layers that are asked for, which returns their outputs."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from threading import RLock, get_ident
from typing import Any

import torch
from torch import Tensor, fx, nn

from lossmith.core.errors import LossmithError, unknown_name_error

KINDS = {nn.Conv2d: "conv", nn.BatchNorm2d: "bn", nn.ReLU: "relu"}


def layer_aliases(network: nn.Module) -> dict[str, str]:
    """The paths of the layers of `network.features`, or of a sequential network, by their usual names.

    `conv5_4`, `relu2_2`, `bn1_1`: block and number within it (VGG), where `pool3` ends block 3; `conv4`, `relu8`:
    counted throughout (AlexNet); `fire2`: SqueezeNet's modules, counted as in its paper.

    `conv5_4` is before the activation, `relu5_4` after it. Names of the network's own modules take precedence.

    >>> network = nn.Module()
    >>> network.features = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3))
    >>> sorted(layer_aliases(network))
    ['conv1', 'conv1_1', 'conv2', 'conv2_1', 'pool1', 'relu1', 'relu1_1']
    """
    layers = getattr(network, "features", network)
    if not isinstance(layers, nn.Sequential):
        return {}
    prefix = "" if layers is network else "features."
    aliases: dict[str, str] = {}
    block, within, throughout, fires = 1, 0, 0, count(2)
    for name, layer in layers.named_children():
        path = f"{prefix}{name}"
        if kind := KINDS.get(type(layer)):
            if kind == "conv":
                within, throughout = within + 1, throughout + 1
            aliases[f"{kind}{block}_{within}"] = aliases[f"{kind}{throughout}"] = path
        elif isinstance(layer, nn.MaxPool2d):
            aliases[f"pool{block}"] = path
            block, within = block + 1, 0
        elif type(layer).__name__ == "Fire":
            aliases[f"fire{next(fires)}"] = path
    own_names = dict(network.named_modules())
    return {alias: path for alias, path in aliases.items() if alias not in own_names}


OVERWRITABLE = (nn.Conv2d, nn.BatchNorm2d)
"""Layers that make a new output, which may be changed in place."""


def feature_graph(network: nn.Module, layers: Sequence[str]) -> nn.Module:
    """A module that returns the outputs of some layers of a network, as a list.

    The network is traced, and operations after the last of the layers are dropped. A network that cannot be
    traced is stopped after the last of them by hooks.

    Parameters
    ----------
    network
        It is changed: put into eval mode, and its in-place operations are disabled where they would change an
        output.
    layers
        The usual names (`relu2_2`, see `layer_aliases`), the paths of modules (`layer4.1.bn2`; the path of a
        block means its last layer), or path and operation (`layer4.1.add`; `layer1.0.relu_1` for the second
        call).

    Raises
    ------
    LossmithError
        For layers that the network does not have.
    """
    network.eval()
    aliases = layer_aliases(network)
    paths = [aliases.get(layer, layer) for layer in layers]
    try:
        graph = _trace(network)
    except Exception:  # the code of a network can raise anything when it is traced
        return HookedNetwork(network, paths, aliases)
    if any(_changes_its_input(node) for node in graph.nodes):
        return HookedNetwork(network, paths, aliases)
    return _cut(network, graph, paths, aliases)


class _Tracer(fx.Tracer):
    """A tracer that records calls of its own thread only, since tracing patches modules in all threads."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = get_ident()

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        if get_ident() != self.thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)


_tracing = RLock()
"""Held while a network is traced, which patches module calls in all threads."""


def _trace(network: nn.Module) -> fx.Graph:
    with _tracing:
        return _Tracer().trace(network)


def _cut(network: nn.Module, graph: fx.Graph, paths: list[str], aliases: dict[str, str]) -> nn.Module:
    nodes = _named_nodes(graph)
    for path in paths:
        if path not in nodes:
            raise unknown_name_error("layer", path, {*nodes, *aliases})
    taps = [nodes[path] for path in paths]
    (end,) = (node for node in graph.nodes if node.op == "output")
    end.args = (taps,)
    module = fx.GraphModule(network, graph)
    module.graph.eliminate_dead_code()
    _forbid_in_place(module, taps)
    return fx.GraphModule(module, module.graph)  # has only the modules that the graph still calls


def _named_nodes(graph: fx.Graph) -> dict[str, fx.Node]:
    """The nodes by name: the path of a module or a block (its last node), or path and name of an operation."""
    nodes: dict[str, fx.Node] = {}
    blocks: dict[str, fx.Node] = {}
    calls: Counter[str] = Counter()
    for node in graph.nodes:
        if not node.op.startswith("call_"):
            continue
        path = [module for module, _ in node.meta.get("nn_module_stack", {}).values()]
        if node.op == "call_module":
            name, path = str(node.target), path[:-1]
        else:
            name = ".".join([*path[-1:], getattr(node.target, "__name__", str(node.target))])
        nodes[f"{name}_{calls[name]}" if calls[name] else name] = node
        calls[name] += 1
        blocks.update(dict.fromkeys(path, node))
    return {**blocks, **nodes}


def _changes_its_input(node: fx.Node) -> bool:
    """Whether a node is an operation such as `x.relu_()`, which changes its input."""
    name = getattr(node.target, "__name__", str(node.target))
    return node.op in ("call_method", "call_function") and name.endswith("_") and not name.endswith("__")


def _forbid_in_place(network: fx.GraphModule, taps: list[fx.Node]) -> None:
    """Let an activation work in place only on a new output that nothing else uses, which saves half the memory."""
    modules = dict(network.named_modules())

    def may_overwrite(node: fx.Node) -> bool:
        (source, *_) = node.all_input_nodes
        is_new = source.op == "call_module" and isinstance(modules[str(source.target)], OVERWRITABLE)
        return is_new and source not in taps and len(source.users) == 1

    for node in network.graph.nodes:
        if node.op == "call_function" and node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": may_overwrite(node)}
        if node.op == "call_module" and getattr(modules[str(node.target)], "inplace", False):
            modules[str(node.target)].inplace = may_overwrite(node)


class HookedNetwork(nn.Module):
    """A network that is stopped by hooks after the last of the layers that are asked for."""

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
        outputs: dict[str, Tensor] = {}

        def keep(path: str, module: nn.Module, arguments: Any, output: Tensor) -> Tensor:
            if not isinstance(output, Tensor):
                raise LossmithError(f"layer '{path}' gives a {type(output).__name__}, not feature maps")
            outputs[path] = output
            if outputs.keys() == {*self.paths}:
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
        if missing := [path for path in self.paths if path not in outputs]:
            raise LossmithError(f"layer '{missing[0]}' is not reached when the network runs")
        return [outputs[path] for path in self.paths]


class _ReachedError(Exception):
    """Every layer that is asked for has run."""


def layer_names(network: nn.Module) -> set[str]:
    """All names that `feature_graph` knows."""
    network.eval()
    try:
        names = {*_named_nodes(_trace(network))}
    except Exception:  # as in `feature_graph`
        names = {name for name, _ in network.named_modules() if name}
    return {*names, *layer_aliases(network)}


def map_sizes(network: nn.Module, image: Tensor) -> dict[str, tuple[int, int]]:
    """The height and width of the feature maps of all modules, in the order in which they are computed.

    Of the blocks that end with the same operation the largest is named. Pooling is left out.

    Parameters
    ----------
    network
        It is put into eval mode.
    image
        (N, C, H, W), on the device of the network; on `meta` nothing is computed but sizes.
    """
    network.eval()
    try:
        outputs = _traced_outputs(network, image)
    except Exception:  # as in `feature_graph`
        outputs = _hooked_outputs(network, image)
    return {
        name: (output.shape[2], output.shape[3])
        for name, output in outputs.items()
        if isinstance(output, Tensor) and output.ndim == 4
    }


@torch.no_grad()
def _traced_outputs(network: nn.Module, image: Tensor) -> dict[str, Any]:
    graph = _trace(network)
    modules = dict(network.named_modules())
    names: dict[fx.Node, str] = {}
    for name, node in _named_nodes(graph).items():
        if name in modules and "pool" not in _operation(network, node).lower():
            names[node] = min(names.get(node, name), name, key=lambda each: (each.count("."), len(each)))
    outputs: dict[fx.Node, Any] = {}

    class Recorder(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            outputs[n] = super().run_node(n)
            return outputs[n]

    Recorder(fx.GraphModule(network, graph)).run(image)
    return {names[node]: output for node, output in outputs.items() if node in names}


def _operation(network: nn.Module, node: fx.Node) -> str:
    if node.op == "call_module":
        return type(network.get_submodule(str(node.target))).__name__
    return getattr(node.target, "__name__", str(node.target))


@torch.no_grad()
def _hooked_outputs(network: nn.Module, image: Tensor) -> dict[str, Any]:
    outputs: dict[str, Any] = {}

    def keep(name: str, module: nn.Module, arguments: Any, output: Any) -> None:
        outputs[name] = output

    layers = {name: module for name, module in network.named_modules() if name}
    hooks = [
        module.register_forward_hook(partial(keep, name))
        for name, module in layers.items()
        if "pool" not in type(module).__name__.lower()
    ]
    try:
        network(image)
    finally:
        for hook in hooks:
            hook.remove()
    return outputs


def freeze(network: nn.Module) -> None:
    """Turn the weights of a network into buffers, which optimizers do not see and checkpoints do not hold."""
    for module in network.modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            delattr(module, name)
            module.register_buffer(name, tensor.detach(), persistent=False)


__all__ = ["HookedNetwork", "feature_graph", "freeze", "layer_aliases", "layer_names", "map_sizes"]
