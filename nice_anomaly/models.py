"""Models: every kind of density, by the name that a run folder knows it by."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

from nice_anomaly import flow, vae
from nice_anomaly.density import Density, Shape

MODELS: dict[str, tuple[type[Any], type[Any]]] = {
    flow.Architecture.kind: (flow.Architecture, flow.Flow),
    flow.bundle.Architecture.kind: (flow.bundle.Architecture, flow.Bundle),
    vae.Architecture.kind: (vae.Architecture, vae.VAE),
}
DRAWS = (Tensor.uniform_, Tensor.normal_)
DEFAULT = flow.Architecture.kind  # what a stored architecture without a kind is


def stored(architecture: Shape) -> dict[str, Any]:
    """An architecture as plain values; ``restored`` is the way back."""
    named = {} if architecture.kind == DEFAULT else {"kind": architecture.kind}
    return named | asdict(architecture)  # type: ignore[call-overload, no-any-return]


def restored(entry: Mapping[str, Any]) -> Shape:
    """The architecture that plain values describe.

    Raises:
        KeyError: a kind of model that is not known here.
        ValueError: an entry is missing, unknown or of another type.
    """
    known, _ = MODELS[entry.get("kind", DEFAULT)]
    values = {name: value for name, value in entry.items() if name != "kind"}
    text = json.dumps(values)  # as JSON, where types can be checked strictly
    architecture: Shape = TypeAdapter(known).validate_json(text, strict=True, extra="forbid")
    return architecture


def rebuilt(architecture: Shape, weights: Mapping[str, Tensor]) -> Density:
    """The model of that architecture with stored ``weights``; draws no random numbers.

    Raises:
        RuntimeError: the weights are not those of such a model.
    """
    return filled(hollow(architecture), weights)


def hollow(architecture: Shape) -> Density:
    """The model of that architecture without its numbers: it has shapes and takes no memory."""
    _, kind = MODELS[architecture.kind]
    with torch.device("meta"), _WithoutDraws():
        model: Density = kind(architecture)
    return model


def filled(model: Density, weights: Mapping[str, Tensor]) -> Density:
    """A hollow model with its numbers, which it takes as they are.

    Raises:
        RuntimeError: they are not those of such a model.
    """
    for name, tensor in model.state_dict().items():
        if name in weights and weights[name].dtype != tensor.dtype:
            raise RuntimeError(f"{name} is of another type")
    model.load_state_dict(weights, assign=True)
    return model


class _WithoutDraws(TorchFunctionMode):
    """Random initialisation leaves tensors as they were allocated."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call ``func``, unless it draws numbers into a tensor."""
        del types
        kwargs = kwargs or {}
        if func is torch.eye:  # without numbers it would load a library for symbols, for a second
            return torch.empty(args[0], args[0], **kwargs)
        if func in DRAWS or getattr(func, "__module__", "") == init.__name__:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
