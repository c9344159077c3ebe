"""A process that trains a run together with the one that started it."""

import pickle
import warnings
from io import BytesIO
from multiprocessing.connection import Connection

import torch

from lossmith.errors import LossmithError
from lossmith.images import Patches
from lossmith.training.confined import confined
from lossmith.training.learner import Learner
from lossmith.training.place import Place, joined
from lossmith.training.stream import batches
from lossmith.training.together import together


def packed(learner: Learner, patches: Patches) -> bytes:
    """What a process needs to follow. It is a copy: torch's way of sending would share the weights themselves."""
    try:
        return pickle.dumps((learner, patches, torch.initial_seed()))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise LossmithError(
            f"only what can be imported can be sent to several processes: {error}; put it into a module, or let "
            "devices be 1"
        ) from error


def follow(place: Place, threads: int, leader: Connection) -> None:
    """Take every step that the leader orders, on this process's share of the batch, until it orders no more."""
    try:
        with confined():
            warnings.simplefilter("ignore")  # the leader says it
            _follow(place, threads, leader)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the leader is gone, in whichever way
    except Exception as error:
        kind = LossmithError if isinstance(error, LossmithError) else RuntimeError
        leader.send(kind(str(error)))


def _follow(place: Place, threads: int, leader: Connection) -> None:
    try:
        learner, patches, seed = pickle.loads(leader.recv_bytes())
    except (AttributeError, ImportError) as error:
        raise LossmithError(
            f"only what can be imported can be sent to several processes: {error}; put it into a module, or let "
            "devices be 1"
        ) from error
    leader.send("ready")
    with joined(learner.recipe, place, threads) as fabric, together(fabric), torch.enable_grad():
        learner.prepare(fabric)
        begin = torch.load(BytesIO(leader.recv_bytes()), map_location="cpu", weights_only=True)
        learner.load_state_dict(begin["learner"])
        step = begin["step"]
        for batch in batches(patches, learner.recipe.batch, step, (place.rank, place.processes)):
            progress = leader.recv()
            # what a network draws, as dropout does, differs from process to process, and is the same when resumed
            torch.manual_seed((seed + step * place.processes + place.rank) % 2**63)
            learner.step(batch, progress)
            step += 1
