"""`lossmith losses`, `networks`, `degradations`, `metrics` and `models`: what may be named, with which options."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from lossmith import evaluation
from lossmith import models as model_files


def losses() -> str:
    """List the losses: name, definition, range, least size, source and options."""
    from lossmith.losses import overview

    return overview()


def networks() -> str:
    """List the networks that can be trained, and the discriminators to train against: what each is, and its
    options.
    """
    from lossmith.expressions import listed
    from lossmith.networks import DISCRIMINATORS, NETWORKS

    return (
        f"{listed(NETWORKS, excluded=['scale', 'channels'])}\n\n"
        'Options go in brackets: "srresnet(features=32, blocks=8)". The scale follows from the degradation,\n'
        "the channels from the images.\n"
        'Your own: "my_package.my_module:MyNetwork".\n\n'
        f"Discriminators, for `discriminator`:\n\n{listed(DISCRIMINATORS, excluded=['size', 'channels'])}"
    )


def degradations() -> str:
    """List the degradations: what each does, and its options."""
    from lossmith.degradations import DEGRADATIONS, TASKS
    from lossmith.expressions import listed

    tasks = "\n".join(f"{name} is short for {meaning}" for name, meaning in TASKS.items())
    return (
        f"{listed(DEGRADATIONS)}\n\n{tasks}\n\n"
        'One after the other: "bicubic(2) | noise(5) | jpeg(50)". A number may be a range, drawn anew for every\n'
        'patch: "noise(0..50)", "jpeg(30..95)"; tests are made at its ends and its middle.\n'
        "Images of more than 8 bits or other than three channels are degraded without rounding. Of these, jpeg\n"
        'takes gray ones of 8 bits, mosaic RGB, and noise is a share of their range: "noise(0.02, of=range)".\n'
        'Your own: "my_package.my_module:my_degradation".'
    )


def metrics() -> str:
    """List the metrics: what each measures, which way is better, and what those that are not here need."""
    from lossmith.evaluation import GRID_METRICS, METRICS, NO_REFERENCE_METRICS, available_deep_metrics
    from lossmith.metrics.deep import DEEP_METRICS, missing_weights
    from lossmith.report.definitions import definition

    deep = available_deep_metrics()
    here = [*METRICS.values(), *deep.values(), *NO_REFERENCE_METRICS.values(), *GRID_METRICS.values()]
    lines = [
        f"{metric.name}\n  {metric.label}, {'higher' if metric.higher_is_better else 'lower'} is better"
        f"{_images(metric)}\n"
        f"  {definition(metric)}{_purpose(metric)}"
        for metric in here
    ]
    lines += [f"{name}\n  not here: {missing_weights(name)}" for name in DEEP_METRICS if name not in deep]
    return "\n\n".join(lines)


def models() -> str:
    """List the restorers that come with lossmith: task, network, size, scores, training and license of each."""
    listed = "\n\n".join(map(_shipped, model_files.shipped_models())) or "none"
    return (
        f"{listed}\n\n"
        "By task: lossmith restore photo.jpg --task x4 --alpha 0.5, from 0, faithful, to 1, sharp.\n"
        "The names are taken wherever a model file is: lossmith evaluate x4-faithful --test Set5/"
    )


def _shipped(name: str) -> str:
    """What a shipped model is, paragraph by paragraph."""
    receipt = model_files.shipped_receipt(name)
    size = model_files.shipped_file(name).stat().st_size / 1e6
    scores = "; ".join(f"{what} {score}" for what, score in receipt["scores"].items())
    lines = [
        f"{model_files.PURPOSES[receipt['task']]}, {receipt['character']}: {receipt['network']}, {size:.1f} MB",
        _training(receipt),
        scores or "not scored",
        f"{receipt['license']}; trained on photographs by {_authors(receipt['trained_on'])}",
    ]
    return "\n  ".join([name, *lines])


def _training(receipt: Mapping[str, Any]) -> str:
    """How a model was trained, by its receipt."""
    opponent = f", against {receipt['discriminator']}" if receipt.get("discriminator") else ""
    budget = f", {receipt['steps']:,} steps of {receipt['batch']} patches" if receipt.get("steps") else ""
    return f"trained under {receipt['loss']}{opponent} for {receipt['degradation']}{budget}"


def _authors(photographs: list[dict[str, str]]) -> str:
    """The authors of photographs, by license."""
    by_license = sorted({(each["license"], each["author"]) for each in photographs})
    return "; ".join(
        f"{', '.join(author for _, author in group)} ({license})"
        for license, group in groupby(by_license, key=lambda pair: pair[0])
    )


def _images(metric: evaluation.Metric) -> str:
    """Which images a metric is for, where it is not for all."""
    from lossmith.core.pixel_format import describe_channels

    kinds = " and ".join(map(describe_channels, metric.channels or ()))
    return f"; for {kinds}{' of 8 bits' if metric.needs_8bit else ''}" if kinds else ""


def _purpose(metric: evaluation.Metric) -> str:
    """The goal that a metric speaks for, and what differences in it matter to nobody."""
    if metric.goal is None:
        return ""
    return (
        f"\n  for {metric.goal}; differences up to {metric.margin:g} {metric.unit}".rstrip() + " matter to nobody"
    )
