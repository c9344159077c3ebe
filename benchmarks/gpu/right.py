"""What a GPU computes is what the CPU computes, as far as rounding allows.

Every row of the table is a check. The truth is float64 on the CPU, for large images on the same device in plain
PyTorch. Convolutions compute in full float32 here, which by default they do not on a GPU.
"""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import features_cost
from gpu.inputs import DEVICE, ON_GPU, pair, photographs, picture
from gpu.tables import Page, reason_of, size_of
from lossmith.data import Data, prepare_data
from lossmith.evaluation import protocol_of
from lossmith.losses import loss
from lossmith.losses.structural.backends import dispatch
from lossmith.models import shipped_models
from lossmith.networks import discriminator, network
from lossmith.restoration import Precision, TorchEngine, load_engine
from lossmith.restoration.half_precision import faster_precisions
from lossmith.training import Recipe, RunFolder, RunSettings, SupervisedTask, train_run
from lossmith.training.validation import Validation

CPU = torch.device("cpu")
Errors = dict[str, tuple[float, float]]
"""What is wrong by how much, and how much is allowed."""
STRUCTURAL = ("l1", "charbonnier", "tv", "ssim", "ms_ssim", "ms_ssim_sigmas", "mix", "mix(form=center)", "texture")
DEEP = ("vgg19_conv5_4", "lpips_alex", "lpips_squeeze", "dists", "style")
MDF = ("mdf(sr)", "mdf(denoise)", "mdf(jpeg)", "mdf(demosaic)", "l1 + mdf(jpeg)")
NETWORKS = (("fcn", 1), ("srresnet_small", 1), ("srresnet", 4), ("rrdbnet(blocks=2)", 4), ("transform_net", 1))
DISCRIMINATORS = ("vgg_any", "unet")
SELECTED = "(gpu or kernels) and not interpreter"
KERNEL_TESTS = ("losses/structural/backends/test_triton_kernels.py", "losses/test_every_loss.py")


@dataclass(frozen=True)
class Check:
    """Something that is to be the same."""

    name: str
    against: str
    errors: Callable[[], Errors]


def run(page: Page, tiny: bool) -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which deterministic algorithms ask for
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    page.section("Right", "Errors are relative, of gradients in the Euclidean norm, if nothing else is said.")
    page.columns("what", "compared with", "error", "allowed", "right")
    with TemporaryDirectory() as folder:
        for check in checks(Path(folder), tiny):
            report(page, check)
    for sentence in pytest_lines(tiny):
        page.line(f"\n{sentence}")
        if "failed" in sentence or "error" in sentence:
            page.fault(sentence)


def report(page: Page, check: Check) -> None:
    """A row for a check; one that raises is wrong, and the next one goes on."""
    try:
        errors = check.errors()
    except Exception as error:
        page.row(check.name, check.against, reason_of(error), "", "**no**")
        page.fault(f"{check.name}: {reason_of(error)}")
        return
    right = all(error <= allowed for error, allowed in errors.values())  # NaN is not
    shown = ", ".join(f"{label} {error:.1e}" for label, (error, _) in errors.items())
    allowed = ", ".join(f"{allowed:.0e}" for _, allowed in errors.values())
    page.row(check.name, check.against, shown, allowed, "yes" if right else "**no**")
    if not right:
        page.fault(f"{check.name}: {shown}")


def checks(folder: Path, tiny: bool) -> Iterator[Check]:
    """All checks, those of the structural losses first."""
    truth = "float64 on the CPU"
    if ON_GPU:
        yield Check("images on the GPU take the Triton kernels", "", other_backend)
    for expression in ("ssim", "mix") if tiny else STRUCTURAL:
        shape = (1, 3, 40, 44) if tiny else (2, 3, 181, 203)
        allowed = 1e-5, 5e-5
        for layout in (torch.contiguous_format, torch.channels_last):
            name = f"`{expression}`, {size_of(shape)}{', channels last' if layout == torch.channels_last else ''}"
            yield Check(name, truth, partial(loss_errors, expression, shape, allowed, layout=layout))
    for expression in () if tiny else ("ssim", "ms_ssim", "mix"):
        shape = (1, 3, 1080, 1920)
        check = partial(loss_errors, expression, shape, (1e-5, 5e-5), reference=DEVICE)
        yield Check(f"`{expression}`, {size_of(shape)}", "float64 in plain PyTorch", check)
    files = features_cost.weight_files(folder, ("squeezenet1_1",) if tiny else features_cost.NETWORKS)
    for name in ("lpips_squeeze",) if tiny else DEEP:
        expression = features_cost.ENTRIES[name].expression.format(**files)
        yield Check(f"`{name}`", truth, partial(loss_errors, expression, (2, 3, 64, 64), (1e-4, 3e-3)))
    for expression in MDF[2:3] if tiny else MDF:
        yield Check(f"`{expression}`", truth, partial(loss_errors, expression, (2, 3, 64, 64), (1e-4, 3e-3)))
    for expression, scale in NETWORKS[1:2] if tiny else NETWORKS:
        build = partial(network, expression, scale)
        yield Check(f"`{expression}` x{scale}", truth, partial(network_errors, build, 32))
    for expression in DISCRIMINATORS[:1] if tiny else DISCRIMINATORS:
        build = partial(discriminator, expression, 64, 3)
        yield Check(f"`{expression}`", truth, partial(network_errors, build, 64))
    for name in shipped_models()[: 1 if tiny else None]:
        for precision in ("float32", *faster_precisions(DEVICE)):
            check = partial(restoring_errors, name, precision, 64 if tiny else 256)
            yield Check(f"{name}, {precision}", "float32 on the CPU, in levels of 255", check)
    yield Check("DDP in a world of one device", "the network without it", ddp_errors)
    for criterion in ("l1",) if tiny else ("l1", "l1 until 50% then mix", "l1 + 0.01*mdf(jpeg)"):
        title = f"a run under `{criterion}` that was stopped, deterministic"
        yield Check(title, "one never stopped", partial(resuming_errors, folder, criterion, tiny))


def other_backend() -> Errors:
    from lossmith.losses.structural.backends import triton_backend

    return {"others": (float(dispatch.backend_for(torch.ones(1, device=DEVICE)) is not triton_backend), 0)}


def loss_errors(
    expression: str,
    shape: tuple[int, ...],
    allowed: tuple[float, float],
    layout: torch.memory_format = torch.contiguous_format,
    reference: torch.device = CPU,
) -> Errors:
    """Of value and gradient in float32 on the device, from float64."""
    images = pair(shape)
    expected = value_and_gradient(
        loss(expression).to(reference).double(), *(image.to(reference).double() for image in images)
    )
    placed = (image.to(DEVICE, memory_format=layout) for image in images)
    actual = value_and_gradient(loss(expression).to(DEVICE), *placed)
    return dict(
        zip(("value", "gradient"), zip(map(distance, actual, expected), allowed, strict=True), strict=True)
    )


def value_and_gradient(criterion: nn.Module, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = prediction.detach().requires_grad_()
    value = criterion(leaf, target)
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def distance(actual: Tensor, expected: Tensor) -> float:
    """The norm of the difference, relative to that of what is expected."""
    actual, expected = actual.double().cpu(), expected.double().cpu()
    return float((actual - expected).norm() / expected.norm())


def network_errors(build: Callable[[], nn.Module], side: int) -> Errors:
    """Of the output and of the weights' gradients."""
    torch.manual_seed(0)
    module, (images, _) = build().eval(), pair((2, 3, side, side))
    expected = output_and_gradients(deepcopy(module).double(), images.double())
    actual = output_and_gradients(module.to(DEVICE), images.to(DEVICE))
    return {
        "output": (distance(actual[0], expected[0]), 1e-4),
        "gradients": (distance(actual[1], expected[1]), 3e-3),
    }


def output_and_gradients(module: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    output = module(images)
    gradients = torch.autograd.grad(output.square().mean(), list(module.parameters()), allow_unused=True)
    return output.detach(), torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])


def restoring_errors(name: str, precision: Precision, side: int) -> Errors:
    """The root mean square of the differences, in levels of 255."""
    engine = load_engine(name)
    assert isinstance(engine, TorchEngine)
    images = torch.from_numpy(picture(side, side)).permute(2, 0, 1)[None] / 255
    differences = engine.on(DEVICE).computing_in(precision)(images).clamp(0, 1) - engine(images).clamp(0, 1)
    allowed = {"float32": 0.01, "float16": 0.3, "bfloat16": 2.0}[precision]
    return {"difference": (255 * float(differences.square().mean().sqrt()), allowed)}


def ddp_errors() -> Errors:
    """Of the gradients that DDP has averaged over the one process that there is."""
    import torch.distributed as dist

    torch.manual_seed(0)
    module, images = network("srresnet_small", 1).to(DEVICE), [image.to(DEVICE) for image in pair((2, 3, 64, 64))]
    dist.init_process_group("nccl" if ON_GPU else "gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(deepcopy(module))
        gradients = [gradients_of(net, *images) for net in (wrapped, module)]
    finally:
        dist.destroy_process_group()
    return {"gradients": (distance(*gradients), 1e-4)}


def gradients_of(module: nn.Module, prediction: Tensor, target: Tensor) -> Tensor:
    loss("mix")(module(prediction), target).backward()
    return torch.cat([parameter.grad.flatten() for parameter in module.parameters() if parameter.grad is not None])


class Stop:
    """An observer that ends a run in its middle."""

    min_side = 1

    def observe(self, validation: Validation) -> None:
        if validation.number == 5:
            raise InterruptedError


def resuming_errors(folder: Path, criterion: str, tiny: bool) -> Errors:
    """How many tensors of a model differ when its run was stopped halfway."""
    torch.use_deterministic_algorithms(True)
    try:
        whole = trained(folder / f"whole-{hash(criterion)}", criterion, tiny, stops=False)
        stopped = trained(folder / f"stopped-{hash(criterion)}", criterion, tiny, stops=True)
    finally:
        torch.use_deterministic_algorithms(False)
    return {"tensors that differ": (sum(not whole[name].equal(stopped[name]) for name in whole), 0)}


def trained(out: Path, criterion: str, tiny: bool, stops: bool) -> dict[str, Tensor]:
    """The weights of a short run."""
    train, test = photographs(out / "photographs", tiny=True)
    data = prepare_data(Data([train], test=[test]), "noise(25) | jpeg(50)")
    small = "srresnet_small(features=8, blocks=1)"
    recipe = Recipe(
        degradation="noise(25) | jpeg(50)", network=small, steps=10 if tiny else 40, batch=2, patch=44, ema=0.9
    )
    run_folder, settings = (
        RunFolder(out / "run"),
        RunSettings(protocol=protocol_of(data.test_pairs), save_every=0.0),
    )
    task = SupervisedTask(loss(criterion), recipe)
    if stops:
        try:
            train_run(run_folder, task, data, settings, observer=Stop())
        except InterruptedError:
            pass
        else:
            raise RuntimeError("the run did not stop")
    train_run(run_folder, task, data, settings)
    return load_file(run_folder.model)


def pytest_lines(tiny: bool) -> Iterator[str]:
    """The tests that are marked for GPUs, where pytest and what they use is installed."""
    if tiny:
        return
    if missing := [name for name in ("pytest", "hypothesis") if importlib.util.find_spec(name) is None]:
        yield f"The tests that are marked for GPUs were left out: {' and '.join(missing)} are not installed."
        return
    tests = Path(__file__).parents[2] / "tests"
    workers = ["-n", "8"] if importlib.util.find_spec("xdist") else []
    options = ["-q", "-p", "no:cacheprovider", *workers, "-m", "not slow", "-k", SELECTED]
    files = [str(tests / name) for name in KERNEL_TESTS]
    command = [sys.executable, "-m", "pytest", *options, *files]
    process = subprocess.run(command, capture_output=True, text=True, cwd=tests.parent)
    said = process.stdout.strip() or process.stderr.strip() or "nothing"
    last = re.sub("=", "", said.splitlines()[-1]).strip()
    yield f"`pytest -m 'not slow' -k '{SELECTED}' {' '.join(f'tests/{name}' for name in KERNEL_TESTS)}`: {last}."
