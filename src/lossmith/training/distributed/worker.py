"""The main function of a worker process, which trains a run together with the process that started it."""

import pickle
import warnings
from io import BytesIO
from multiprocessing.connection import Connection

import torch

from lossmith.core.errors import LossmithError
from lossmith.data import PatchDataset
from lossmith.data.loader import batches
from lossmith.training.distributed.collectives import distributed_context
from lossmith.training.distributed.environment import ProcessEnvironment, ddp_fabric
from lossmith.training.isolation import isolated_global_state
from lossmith.training.module import TrainingModule


def pickle_setup(module: TrainingModule, patches: PatchDataset) -> bytes:
    """The module, the patches and the seed for a worker, as bytes.

    Plain pickle makes copies; torch's multiprocessing would share the weights' memory.

    Raises LossmithError for what cannot be pickled.
    """
    try:
        return pickle.dumps((module, patches, torch.initial_seed()))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise LossmithError(
            f"only what can be imported can be sent to several processes: {error}; put it into a module, or let "
            "devices be 1"
        ) from error


def worker_main(environment: ProcessEnvironment, threads: int, leader: Connection) -> None:
    """Take every step that the leader signals, on this process's share of the batch, until it disconnects."""
    try:
        with isolated_global_state():
            warnings.simplefilter("ignore")  # the leader shows them
            _train(environment, threads, leader)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the leader has ended
    except Exception as error:
        kind = LossmithError if isinstance(error, LossmithError) else RuntimeError
        leader.send(kind(str(error)))


def _train(environment: ProcessEnvironment, threads: int, leader: Connection) -> None:
    try:
        module, patches, seed = pickle.loads(leader.recv_bytes())
    except (AttributeError, ImportError) as error:
        raise LossmithError(
            f"only what can be imported can be sent to several processes: {error}; put it into a module, or let "
            "devices be 1"
        ) from error
    leader.send("ready")
    with (
        ddp_fabric(module.recipe, environment, threads) as fabric,
        distributed_context(fabric),
        torch.enable_grad(),
    ):
        module.setup(fabric)
        start = torch.load(BytesIO(leader.recv_bytes()), map_location="cpu", weights_only=True)
        module.load_state_dict(start["module"])
        step = start["step"]
        for batch in batches(patches, module.recipe.batch, step, (environment.rank, environment.num_processes)):
            progress = leader.recv()
            # Dropout and the like must draw differently in every process, and the same again in a resumed run.
            torch.manual_seed((seed + step * environment.num_processes + environment.rank) % 2**63)
            module.training_step(batch, progress)
            step += 1
