"""Runtime: devices that are there, precision by what the processor says, threads given back."""

from collections.abc import Iterator

import pytest
import torch

from nice_anomaly.errors import ConfigError
from nice_anomaly.runtime import (
    SMALL_PRODUCT,
    autocast,
    choose_device,
    choose_precision,
    threads_for,
)

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_auto_finds_a_device_that_computes() -> None:
    assert torch.ones(2, device=choose_device("auto")).sum().item() == 2


@pytest.mark.parametrize(("there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_the_gpu_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, there: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert choose_device("auto").type == expected
    assert choose_device("cpu").type == "cpu"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("abacus", r"there is no device 'abacus'. Use auto, cpu or cuda\.$"),
        ("cuda", r"torch sees no GPU. Use `device='cpu'`\.$"),
        ("cuda:1", "torch sees no GPU"),
    ],
)
def test_a_device_that_is_not_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=message):
        choose_device(name)


@pytest.mark.parametrize("capabilities", [{}, {"avx512_bf16": True}])
def test_a_precision_that_was_asked_for_is_taken(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool]
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert choose_precision("float32", CPU) is torch.float32
    assert choose_precision("bfloat16", CPU) is torch.bfloat16


PROCESSORS = {  # what a processor says of itself, and what is fastest on it
    "says nothing": ({}, torch.float32),
    "AVX-512 without bfloat16": ({"avx512_f": True, "avx512_bf16": False}, torch.float32),
    "AVX-512 BF16": ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
    "AMX": ({"amx_bf16": True}, torch.bfloat16),
}


@pytest.mark.parametrize("processor", PROCESSORS)
def test_auto_is_what_the_processor_multiplies_natively(
    monkeypatch: pytest.MonkeyPatch, processor: str
) -> None:
    capabilities, expected = PROCESSORS[processor]
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert choose_precision("auto", CPU) is expected


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_does_not_take_what_a_gpu_only_emulates(
    monkeypatch: pytest.MonkeyPatch, native: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: including_emulation or native,
    )
    assert choose_precision("auto", GPU) is expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_are_made_in_the_precision_and_sums_as_they_are(dtype: torch.dtype) -> None:
    x = torch.ones(2, 2)
    with autocast(CPU, dtype):
        assert (x @ x).dtype is dtype
        assert (x + x).dtype is torch.float32
    assert (x @ x).dtype is torch.float32


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize(
    ("flops", "threads"), [(1, 1), (SMALL_PRODUCT - 1, 1), (SMALL_PRODUCT, 3), (1e15, 3)]
)
def test_small_products_run_on_one_thread_and_the_number_is_restored(
    flops: float, threads: int
) -> None:
    with threads_for(flops):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_the_number_of_threads_is_restored_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), threads_for(1):
        _ = 1 / 0
    assert torch.get_num_threads() == 3
