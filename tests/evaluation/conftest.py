"""The two kinds of metrics that statistics must tell apart."""

import pytest

from lossmith.metrics import Metric


@pytest.fixture(scope="session")
def psnr_metric() -> Metric:
    return Metric("psnr", "PSNR", higher_is_better=True, digits=2, unit="dB")


@pytest.fixture(scope="session")
def gmsd_metric() -> Metric:
    return Metric("gmsd", "GMSD", higher_is_better=False, digits=4)
