"""The metrics as `torchmetrics.Metric`: means over images, in batches, in Lightning and in several processes."""

import copy
import inspect
import pickle
import subprocess
import sys

import pytest
import torch
import torchmetrics

import lossmith.metrics
from lossmith.core.errors import LossmithError
from lossmith.metrics import METRICS, PSNR, SSIM, metric_function

CLASSES = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "ms_ssim": "MSSSIM",
    "iw_ssim": "IWSSIM",
    "gmsd": "GMSD",
    "fsim": "FSIM",
    "fsimc": "FSIMc",
    "l1": "L1",
    "l2": "L2",
}

every_class = pytest.mark.parametrize("name", METRICS)


def build(name, **options):
    return getattr(lossmith.metrics, CLASSES[name])(**options)


@pytest.fixture(scope="module")
def batches():
    """Three batches of two, one and three images, on which every metric exists."""
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(6, 3, 170, 175, generator=generator)
    prediction = (target + 0.1 * torch.randn(target.shape, generator=generator)).clamp(0, 1)
    return list(zip(prediction.split([2, 1, 3]), target.split([2, 1, 3]), strict=True))


def test_every_metric_without_weights_has_a_class():
    assert CLASSES.keys() == METRICS.keys()


@every_class
def test_the_value_is_the_mean_over_images_however_they_come_in_batches(name, batches):
    metric = build(name)
    for batch in batches:
        metric.update(*batch)
    values = torch.cat([metric_function(name)(*batch) for batch in batches])
    assert metric.compute().item() == pytest.approx(values.mean().item(), rel=1e-6)  # float32


@every_class
def test_forward_gives_the_value_of_the_batch_and_reset_forgets(name, batches):
    metric = build(name, border=2)
    for batch in batches:
        expected = metric_function(name)(*batch, border=2).mean().item()
        assert metric(*batch).item() == pytest.approx(expected, rel=1e-6)
    metric.reset()
    metric.update(*batches[0])
    expected = metric_function(name)(*batches[0], border=2).mean().item()
    assert metric.compute().item() == pytest.approx(expected, rel=1e-6)


@every_class
def test_direction_and_differentiability_are_stated(name, batches):
    metric = build(name)
    assert metric.higher_is_better is METRICS[name].higher_is_better
    assert metric.is_differentiable
    assert metric.full_state_update is False
    prediction = batches[1][0].clone().requires_grad_()
    metric(prediction, batches[1][1]).backward()
    assert prediction.grad.abs().sum() > 0


@every_class
def test_options_are_those_of_the_function(name):
    options = [
        (parameter.name, parameter.default)
        for parameter in inspect.signature(metric_function(name)).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    own_parameters = inspect.signature(type(build(name))).parameters
    assert [(p.name, p.default) for p in own_parameters.values() if p.name != "kwargs"] == options


def test_options_reach_the_function_and_the_representation(batches):
    metric = PSNR(color="y", border=4, round_to_8bit=True)
    metric.update(*batches[0])
    expected = metric_function("psnr")(*batches[0], color="y", border=4, round_to_8bit=True)
    assert metric.compute().item() == pytest.approx(expected.mean().item())
    assert repr(metric) == "PSNR(color='y', border=4, round_to_8bit=True)"


@pytest.mark.parametrize(
    ("options", "error"),
    [({"color": "hsv"}, LossmithError), ({"border": -1}, LossmithError), ({"colour": "y"}, ValueError)],
)
def test_wrong_options_are_refused_when_the_metric_is_built(options, error):
    with pytest.raises(error, match=next(iter(options))):
        PSNR(**options)


@pytest.mark.parametrize("name", ["LPIPS", "DISTS"])
def test_missing_weights_are_said_when_the_metric_is_built(name, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.delenv("LOSSMITH_WEIGHTS", raising=False)
    with pytest.raises(LossmithError, match=r"needs torchvision's .* weights: put"):
        getattr(lossmith.metrics, name)()


def test_lpips_as_a_class_is_lpips_as_a_function(benchmark_data, monkeypatch, batches):
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(benchmark_data / "weights"))
    metric = lossmith.metrics.LPIPS(network="squeeze")
    metric.update(*batches[0])
    expected = lossmith.metrics.lpips(*batches[0], network="squeeze").mean()
    assert metric.compute().item() == pytest.approx(expected.item())


def test_metrics_are_copied_pickled_collected_and_kept_in_float64(batches):
    double_metric = SSIM().set_dtype(torch.float64)
    double_metric.update(*(image.double() for image in batches[0]))
    expected = metric_function("ssim")(*(image.double() for image in batches[0])).mean()
    for metric in (double_metric, copy.deepcopy(double_metric), pickle.loads(pickle.dumps(double_metric))):
        assert metric.compute().dtype == torch.float64
        assert metric.compute().item() == pytest.approx(expected.item(), rel=1e-12)
    collection = torchmetrics.MetricCollection({"y": PSNR(color="y"), "rgb": PSNR(), "ssim": SSIM()})
    collection.update(*batches[0])
    for name, value in collection.compute().items():
        function = metric_function("ssim" if name == "ssim" else "psnr")
        options = {"color": "y"} if name == "y" else {}
        assert value.item() == pytest.approx(function(*batches[0], **options).mean().item(), rel=1e-6)


def test_lightning_logs_the_mean_over_the_images_of_an_epoch(batches, tmp_path):
    import pytorch_lightning

    class Judge(pytorch_lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.psnr = PSNR(border=1)

        def test_step(self, batch):
            self.psnr(*batch)
            self.log("psnr", self.psnr, on_epoch=True)

    trainer = pytorch_lightning.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    [results] = trainer.test(Judge(), torch.utils.data.DataLoader(batches, batch_size=None), verbose=False)
    values = torch.cat([metric_function("psnr")(*batch, border=1) for batch in batches])
    assert results["psnr"] == pytest.approx(values.mean().item(), rel=1e-6)


PROCESS = """
import sys, torch
from lossmith.metrics import GMSD, PSNR

rank, store, images = int(sys.argv[1]), sys.argv[2], torch.load(sys.argv[3])
torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
metrics = [PSNR(), GMSD()]
for prediction, target in images[rank::2]:
    for metric in metrics:
        metric.update(prediction, target)
print(*(metric.compute().item() for metric in metrics))
torch.distributed.destroy_process_group()
"""


def test_two_processes_give_what_one_gives(batches, tmp_path):
    """Of five images and of one, so that a mean of means would be another number."""
    torch.save(batches, tmp_path / "images.pt")
    arguments = [str(tmp_path / "store"), str(tmp_path / "images.pt")]
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, rank, *arguments], stdout=subprocess.PIPE, text=True)
        for rank in "01"
    ]
    outputs = [process.communicate(timeout=120)[0].split() for process in processes]
    for position, name in enumerate(("psnr", "gmsd")):
        metric = build(name)
        for batch in batches:
            metric.update(*batch)
        together = [float(line[position]) for line in outputs]
        assert together == pytest.approx([metric.compute().item()] * 2, rel=1e-6)
