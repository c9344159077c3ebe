"""Every loss of the registry, with small networks of random weights, and sums of losses."""

from functools import cache, partial

from lossmith.losses import Loss, loss
from lossmith.losses.mdf.loss_file import shipped_losses
from lossmith.soundness import KINDS, Subject
from lossmith.soundness.bounds import declared_bounds
from lossmith.soundness.examine import COLOR_ORDER_MATTERS, DEAD, NOT_ZERO

TV = ("tv", "tv(exponent=2)")
PIXEL = ("l1", "l2", "charbonnier", *TV)
STRUCTURAL = (
    *("ssim", "ssim(window=5, padding=same)", "ssim(padding=reflect)"),
    *("ms_ssim", "ms_ssim(levels=2)", "ms_ssim(levels=3, window=5, padding=same)"),
    "ms_ssim(levels=2, window=5, padding=reflect)",
    *("ms_ssim_sigmas", "ms_ssim_sigmas(form=center)", "mix", "mix(form=center)", "mix_pl4nn"),
)
TEXTURE = ("texture", "texture(levels=1, window=2, period=2)")
SMALL = "network=squeezenet1_1, weights=random"
DEEP = (
    "features(squeezenet1_1, relu1 + 0.5*fire3, weights=random)",
    "features(squeezenet1_1, fire3, distance=charbonnier, weights=random)",
    *(f"{name}(weights=random)" for name in ("johnson", "johnson_at_hand", "srgan", "esrgan", "minc", "dists")),
    *(f"lpips({network}, weights=random)" for network in ("alex", "squeeze")),
    "lpips(squeeze, linear=false, weights=random)",
    f"style(layers=relu1 + 2*fire2, {SMALL})",
    f"style_w2(layers=relu1 + 2*fire2, {SMALL})",
    *(f"contextual(layers=fire2, distance={distance}, {SMALL})" for distance in ("cosine", "l1", "l2")),
)
LEARNED_LOSSES = tuple(f"mdf({name})" for name in shipped_losses())
COMPOSITIONS = (
    "0.84*ms_ssim_sigmas + 0.16*l1",
    "2*(ssim + 0.5*l2) + charbonnier",
    "l1 until 50% then 2*ssim + l2",
    "80%*l1 + 20%*(50%*ssim + 50%*l2) always",
    "torch.nn:SmoothL1Loss",
    "l1 + 0.1*lpips(squeeze, weights=random)",
)
EXPRESSIONS = (*PIXEL, *STRUCTURAL, *TEXTURE, *DEEP, *LEARNED_LOSSES, *COMPOSITIONS)

HEAVY = (
    "ms_ssim",
    *LEARNED_LOSSES,
    *(name for name in DEEP if "squeezenet" not in name and "squeeze," not in name),
)
"""Those of which a test that is to be quick gives small images only."""

SLACK = {
    # matrix roots in float64, of features in float32
    f"style_w2(layers=relu1 + 2*fire2, {SMALL})": 1e-6,
}
"""What identical images may give where the catalog says that it is not exactly 0."""


@cache
def cached_loss(expression: str) -> Loss:
    """In eval mode, in which percentages do not follow the calls."""
    return loss(expression).eval()


def is_deep(expression: str) -> bool:
    return expression in (*DEEP, *LEARNED_LOSSES) or "lpips" in expression


def subject(expression: str) -> Subject:
    """What is asked here is more than the kind promises; see `excused_faults`."""
    criterion = cached_loss(expression)
    return Subject(
        expression,
        partial(cached_loss, expression),
        KINDS["statistics" if expression.startswith(("contextual", "texture")) else "distance"],
        "",
        channels=(3,) if is_deep(expression) else (1, 2, 3, 4),
        min_side=criterion.min_side,
        odd="form=center" in expression,
        bounds=declared_bounds(criterion),
        slack=SLACK.get(expression, 0),
    )


def excused_faults(expression: str) -> frozenset[str]:
    """Networks see colors, each in its way, and a prior is no distance."""
    if expression in TV:
        return frozenset({NOT_ZERO, DEAD})
    return frozenset({COLOR_ORDER_MATTERS}) if is_deep(expression) else frozenset()


__all__ = ["EXPRESSIONS", "HEAVY", "TV", "excused_faults", "subject"]
