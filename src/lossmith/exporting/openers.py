"""Which programs open the weights of a network by its keys."""

from lossmith.models import Model
from lossmith.networks import RRDBNet, SRResNet
from lossmith.spandrel_models import Described


def who_opens(model: Model) -> str:
    """In one sentence: spandrel loads models for ComfyUI and chaiNNer, and tells networks by their keys.

    It takes every dense block to grow by 32, and one enlargement to be by 2.

    >>> who_opens(Model(RRDBNet(4, blocks=1), {}))
    'opens in spandrel as ESRGAN, so in ComfyUI and chaiNNer'
    """
    restorer = model.restorer
    if isinstance(restorer, Described):
        return f"opens in spandrel as {restorer.architecture}, so in ComfyUI and chaiNNer"
    if isinstance(restorer, RRDBNet):
        if restorer.growth == 32 and restorer.scale != 3:
            return "opens in spandrel as ESRGAN, so in ComfyUI and chaiNNer"
        return (
            "opens in lossmith; spandrel knows this network with a growth of 32 and a scale of 1, 2, 4 or 8 only"
        )
    if isinstance(restorer, SRResNet):
        return "opens in lossmith; its keys are those of BasicSR's MSRResNet, which spandrel does not know"
    return "opens in lossmith; spandrel does not know this network"
