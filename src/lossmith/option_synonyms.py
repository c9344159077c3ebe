"""Option and command names of other tools, and what they are called here."""

from collections.abc import Collection

from lossmith.core.errors import LossmithError
from lossmith.core.legacy import OPTIONS

SYNONYMS = {
    "learning-rate": "lr base-lr lr-g",
    "batch": "batch-size batch-size-per-gpu train-batch-size bs",
    "patch": "patch-size crop-size gt-size gt-patch image-size",
    "steps": "max-steps iterations iters total-iter total-iters max-iter niter num-steps n-steps",
    "out": "o output outdir out-dir output-dir output-path save-dir save-path result-dir results-dir result-path",
    "loss": "criterion loss-fn",
    "losses": "loss contenders",
    "network": "arch architecture net network-g net-g which-model",
    "degradation": "degrade corruption damage",
    "decay": "scheduler lr-scheduler lr-schedule",
    "seed": "manual-seed random-seed seed-everything",
    "ema": "ema-decay",
    "init": "pretrained pretrain pretrained-model pretrain-model pretrain-network-g finetune fine-tune",
    "model": "n model-path model-name m checkpoint ckpt weights",
    "clean": "gt hr dataroot-gt",
    "degraded": "lq dataroot-lq noisy low-quality",
    "test": "val valid validation val-dir test-dir gt gt-dir hr hr-dir target targets reference ground-truth ref",
    "images": "i input inputs input-dir input-path source src pictures data dataset data-dir data-path dataroot "
    "train-dir train train-data dir-data folder img-path",
    "image": "i input picture img",
    "subject": "i input results result sr sr-dir pred preds prediction predictions restored test-model "
    "model model-path m checkpoint ckpt weights",
    "results": "i input result sr sr-dir pred preds prediction predictions restored folders methods",
    "margin": "margins tolerance equivalence",
    "recursive": "r recurse",
    "channels": "n-colors n-channels num-channels in-channels",
    "range": "rgb-range img-range data-range value-range",
    "mask": "masks mask-dir mask-path",
    "scale-to": "outscale out-scale scale upscale s scale-factor upscale-factor",
    "trials": "n-trials num-trials trial-count num-samples",
    "goals": "goal objective objectives metric metrics",
    "search": "space search-space param params parameters",
    "at-once": "n-jobs num-jobs jobs parallel concurrency max-concurrent",
    "iterations": "steps iters niter",
    "margins": "margin equivalence-margin equivalence-margins",
    "no-progress": "quiet q silent disable-progress-bar no-progress-bar",
    "save-every": "save-interval save-freq checkpoint-interval",
}
"""Other names of an option, with the same meaning and unit; they are accepted in its place."""

_LOCAL = "one command starts all processes itself: --devices says how many, --executor ray spreads a comparison"
_PRECISION = "--precision bfloat16 or float32 sets the arithmetic; by default it is bfloat16 on a CUDA device"
_OPTIMIZER = "networks are trained with Adam; what can be set is --learning-rate, --decay and --ema"
_FILE = "a YAML file of options is given as --config FILE"
_WEIGHTS = "--init FILE begins with the weights of another model; a stopped run goes on with the same command"
_INPUT = "images are named without an option, as in `lossmith COMMAND photos/`"
ANSWERS = {
    "resume auto-resume resume-from resume-from-checkpoint resume-state continue continue-train resume-path": (
        "the same command goes on by itself where it was stopped"
    ),
    "gpu gpus gpu-id gpu-ids cuda use-cuda no-cuda accelerator cpu": (
        "--device cpu or --device cuda:1 chooses one, --devices 2 trains on two; without them a GPU is used where "
        "there is one"
    ),
    "num-gpu num-gpus world-size nproc-per-node": "--devices 2 trains on two GPUs",
    "launcher local-rank strategy ddp distributed nodes num-nodes rank master-port dist": _LOCAL,
    "scale upscale s sf scale-factor upscale-factor": (
        'the scale is part of the degradation, --degradation "bicubic(4)"; a model knows its own'
    ),
    "epochs max-epochs num-epochs n-epochs epoch total-epochs": (
        "patches are drawn at random without end, so the budget is given as --steps or --minutes"
    ),
    "num-workers workers n-workers num-worker-per-gpu n-threads nthreads threads j dataloader-workers": (
        "patches are cut by as many processes as the device needs; OMP_NUM_THREADS limits a CPU's threads"
    ),
    "i input inputs images data dataset": _INPUT,
    "lr-decay lr-step gamma milestones warmup warmup-steps lr-warmup eta-min lr-gamma decay-steps": (
        "--decay cosine, none, fifths or esrgan says how the learning rate goes; cosine rises first"
    ),
    "optimizer optim optimiser weight-decay wd beta1 beta2 betas adam-beta1 momentum clip-grad grad-clip "
    "gradient-clip-val eps max-grad-norm": _OPTIMIZER,
    "accumulate grad-accum accumulate-grad-batches gradient-accumulation-steps": (
        "gradients are not accumulated; --devices shares out a --batch, and a smaller --patch takes less memory"
    ),
    "amp fp16 half bf16 fp32 float16 mixed-precision use-amp no-half autocast": _PRECISION,
    "noise sigma noise-level jpeg jpeg-quality quality blur-sigma blur noise-range jpeg-range": (
        'the degradation is one expression: --degradation "blur(0.2..3) | noise(0..50) | jpeg(30..95)"'
    ),
    "opt yaml cfg config-file conf options option-file": _FILE,
    "load weight load-weights load-model restore-from load-checkpoint pretrained-weights checkpoint ckpt weights "
    "model-path ckpt-path": _WEIGHTS,
    "model model-name": "--network says what is trained, --init with which weights it begins",
    "name exp-name experiment run-name project version": "a run is named by its folder, --out runs/NAME",
    "log-dir logdir logger wandb tensorboard tb use-wandb use-tb-logger log-every print-freq log-interval": (
        "every run writes metrics.csv and TensorBoard events into its folder, --out"
    ),
    "verbose v debug": "there are no levels of output; everything is logged in the run's folder",
    "deterministic benchmark cudnn-benchmark": "on a CPU a run always gives the same model to the last bit",
    "compile torch-compile": "networks are not compiled; lossmith[fast] compiles the structural losses",
    "metric metrics eval-metrics": "all metrics are computed that can be; `lossmith metrics` lists them",
    "force overwrite f y yes": "nothing is overwritten: choose another --out, or delete the folder first",
    "dry-run fast-dev-run sanity-check num-sanity-val-steps": (
        "the first step and the smallest test image are always tried before anything is written"
    ),
    "val-freq val-interval val-every eval-every check-val-every-n-epoch test-every val-check-interval": (
        "crops of the test images are scored on the way by themselves, and all images at the end"
    ),
    "hflip use-hflip rot use-rot augment augmentation no-augment flip": (
        "patches are flipped and turned in all eight ways"
    ),
    "tile tile-size t tile-pad tile-overlap tilesize": (
        "tiles follow from the memory that is free; `lossmith restore --help` lists --memory and --halo"
    ),
    "color colors n-colors channels in-channels rgb-range img-range range": (
        "--channels and --range say in which format a model is trained, which it knows afterwards"
    ),
    "suffix ext": "`lossmith restore --help` lists --format; results keep the names of their images",
    "cache cache-dir in-memory pin-memory prefetch": "there is nothing to set: images are kept where they fit",
    "lr-dir lr-path lr-folder train-lr dataroot-lr": "pairs of your own are given as --clean DIR --degraded DIR",
    "hr-dir hr-path gt-dir gt-path train-hr train-gt dataroot-hr gt-folder lq-dir lq-path lq-folder": (
        "pairs of your own are given as --clean DIR --degraded DIR"
    ),
    "discriminator net-d network-d gan use-gan lambda-gan gan-weight": (
        "--discriminator vgg trains against a discriminator, and --adversarial-weight says how much it counts"
    ),
    "pixel-weight perceptual-weight perceptual loss-weights l1-weight lambda-pixel lambda-perceptual": (
        'weights belong to the loss: --loss "l1 + 0.1*features(vgg19, conv5_4)"'
    ),
}
"""Options of other tools that have no equivalent here, and what to do instead; used only for unknown options."""

COMMANDS = {
    "restore": "inference infer predict upscale enhance denoise sr deblur apply process run",
    "evaluate": "test eval score metrics-for validate val measure",
    "train": "fit finetune fine-tune pretrain resume",
    "compare": "tournament sweep benchmark ablation experiment",
    "tune": "optimize optimise hpo hyperopt hyperparameters search optuna",
    "judge": "verdict rank compare-results compare-folders leaderboard",
    "export": "convert onnx to-onnx save",
    "blend": "interpolate interp net-interp merge",
    "check-loss": "check examine doctor lint certify verify test-loss check-losses validate-loss",
    "learn-loss": "learn train-loss",
    "losses": "loss list list-losses",
    "networks": "network archs",
    "models": "model zoo model-zoo restorers list-models",
    "degradations": "degradation damages damage",
    "metrics": "metric",
}


def _invert(table: dict[str, str]) -> dict[str, list[str]]:
    """The meanings of every word of the keys: {"a b": "x", "b": "y"} gives {"a": ["x"], "b": ["x", "y"]}."""
    meanings: dict[str, list[str]] = {}
    for words, meaning in table.items():
        for word in words.split():
            meanings.setdefault(word, []).append(meaning)
    return meanings


_OPTIONS_BY_WORD = _invert({words: option for option, words in SYNONYMS.items()} | OPTIONS)
_ANSWERS_BY_WORD = _invert(ANSWERS)
_COMMANDS_BY_WORD = {word: command for command, words in COMMANDS.items() for word in words.split()}


def option_for(word: str, known: Collection[str]) -> str:
    """The option that a word stands for, one of the `known` options of a command; all without leading hyphens.

    An unknown word is returned as it is. Raises LossmithError for an option of other tools that has no equivalent;
    the message says what to do instead.

    >>> option_for("lr", ["learning-rate"]), option_for("learning_rate", ["learning-rate"]), option_for("x", [])
    ('learning-rate', 'learning-rate', 'x')
    >>> option_for("resume", [])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: there is no --resume: the same command goes on ...
    """
    name = word.lower().replace("_", "-")
    for option in [word, name, *_OPTIONS_BY_WORD.get(name, [])]:
        if option in known:
            return option
    if answers := _ANSWERS_BY_WORD.get(name):
        raise LossmithError(f"there is no {'-' * (1 + (len(word) > 1))}{word}: {answers[0]}")
    return word


def command_for(word: str) -> str | None:
    """The command that another tool calls by this word; None if there is none."""
    return _COMMANDS_BY_WORD.get(word.lower().replace("_", "-"))
