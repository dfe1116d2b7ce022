"""Runtime: devices that are there, precision by what the processor says, threads given back."""

import pytest
import torch

from nice_anomaly.errors import ConfigError
from nice_anomaly.runtime import SMALL_PRODUCT, choose_device, choose_precision, threads_for

CPU = torch.device("cpu")


def test_auto_finds_a_device_that_computes() -> None:
    assert torch.ones(2, device=choose_device("auto")).sum().item() == 2


def test_a_device_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no device 'abacus'"):
        choose_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="torch sees no GPU"):
            choose_device("cuda")


def test_precision_is_as_asked_and_auto_is_one_of_the_two() -> None:
    assert choose_precision("float32", CPU) is torch.float32
    assert choose_precision("bfloat16", CPU) is torch.bfloat16
    native = torch.cpu.get_capabilities()
    expected = native.get("avx512_bf16") or native.get("amx_bf16")
    assert choose_precision("auto", CPU) is (torch.bfloat16 if expected else torch.float32)


def test_small_products_run_on_one_thread_and_the_number_is_restored() -> None:
    before = torch.get_num_threads()
    with threads_for(SMALL_PRODUCT - 1):
        assert torch.get_num_threads() == 1
    with threads_for(SMALL_PRODUCT):
        assert torch.get_num_threads() == before
    with pytest.raises(ZeroDivisionError), threads_for(1):
        _ = 1 / 0
    assert torch.get_num_threads() == before
