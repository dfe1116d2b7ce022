"""Runtime: the device, the precision, and why."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from nice_anomaly.errors import ConfigError
from nice_anomaly.vocabulary import Precision

SMALL_PRODUCT = 2e7  # about 0.1 ms on one core


def choose_device(name: str) -> torch.device:
    """``auto`` is the GPU where there is one, else the processor.

    Raises:
        ConfigError: an unknown name, or a GPU asked for that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    unknown = ConfigError(f"there is no device '{name}'. Use auto, cpu or cuda.")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise unknown from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device 'cuda' was asked for, but torch sees no GPU. Use `device='cpu'`.")
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": torch.backends.mps.is_available()}
    if (device.index or 0) >= there.get(device.type, 0):
        raise unknown
    return device


def choose_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """The type the conditioner networks compute in.

    ``auto`` is bfloat16 where the hardware multiplies it natively (AVX-512 BF16, AMX, GPUs
    since Ampere), which is two to four times faster there; emulated, it would be slower than
    float32. Decided by what the processor says of itself, not by a stopwatch: the same machine
    always decides the same.
    """
    if precision == "auto":
        return torch.bfloat16 if _has_native_bfloat16(device) else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[None]:
    """Matrix products of the networks in ``dtype``, everything else as it is."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not torch.float32)


@contextmanager
def threads_for(flops: float) -> Iterator[None]:
    """One thread inside the block when its matrix products, of ``flops`` each, are small.

    Starting and joining threads costs more than such a product takes, and a great deal more
    when another program keeps a core busy. The previous number is restored afterwards.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if flops < SMALL_PRODUCT else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _has_native_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
