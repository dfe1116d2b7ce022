"""Runtime: the device, the precision, and why."""

from contextlib import AbstractContextManager
from typing import Literal

import torch

from nice_anomaly.errors import ConfigError

Precision = Literal["auto", "float32", "bfloat16"]


def choose_device(name: str) -> torch.device:
    """``auto`` is the GPU where there is one, else the processor.

    Raises:
        ConfigError: an unknown name, or a GPU asked for that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"there is no device '{name}'. Use auto, cpu or cuda.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device 'cuda' was asked for, but torch sees no GPU. Use --device cpu.")
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


def _has_native_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
