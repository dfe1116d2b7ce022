"""Seal: the SHA-256 that a file of a run carries of all its own bytes, so that none can change.

It is no signature: who rewrites a file on purpose can seal it anew.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import safetensors.torch
from torch import Tensor

from nice_anomaly.run.stored import read_tensors

SEAL = "sha256"
BLANK = "0" * 64
MARK = re.compile(rb'"%b":"([0-9a-f]{64})"' % SEAL.encode())


def sealed_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file whose metadata have the hash of the file with zeros in its place.

    The same tensors and metadata make the same bytes.
    """
    plain = safetensors.torch.save({n: tensor.contiguous() for n, tensor in tensors.items()})
    content = _with_metadata(plain, {**metadata, SEAL: BLANK})
    return content.replace(_entry(BLANK), _entry(_hash_without(content)), 1)


def unsealed_tensors(content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a sealed file.

    Raises:
        SafetensorError, ValueError: it is none, or a byte of it has changed.
    """
    found = MARK.search(content)
    if found is None or found[1].decode() != _hash_without(content):
        raise ValueError("a byte of it has changed")
    tensors, metadata = read_tensors(content)
    return tensors, {name: text for name, text in metadata.items() if name != SEAL}


def sealed_json(document: Mapping[str, Any]) -> bytes:
    """A JSON file whose last entry is the hash of the others, as they are written here.

    >>> print(sealed_json({"format": 2}).decode()[:-54])
    {
      "format": 2,
      "sha256": "d7cc2ebf7f17aa
    """
    seal = hashlib.sha256(_written(document)).hexdigest()
    return _written({**document, SEAL: seal})


def unsealed_json(content: bytes) -> dict[str, Any]:
    """The document of a sealed JSON file.

    Raises:
        ValueError: it is none, or a byte of it has changed.
    """
    document = json.loads(content)
    if not isinstance(document, dict) or document.pop(SEAL, None) is None:
        raise ValueError("it has no seal")
    if sealed_json(document) != content:
        raise ValueError("a byte of it has changed")
    return document


def _with_metadata(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """The file with metadata, which the library would write in another order each time."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = {"__metadata__": dict(sorted(metadata.items())), **json.loads(content[8:start])}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight
    return b"".join((len(text).to_bytes(8, "little"), text, content[start:]))


def _written(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode()


def _entry(seal: str) -> bytes:
    # Unique in a file: within a text the quotes would have backslashes before them.
    return f'"{SEAL}":"{seal}"'.encode()


def _hash_without(content: bytes) -> str:
    """Of a sealed file with zeros in place of its first seal."""
    found, view = MARK.search(content), memoryview(content)
    assert found is not None
    hashed = hashlib.sha256(view[: found.start(1)])
    hashed.update(BLANK.encode())
    hashed.update(view[found.end(1) :])
    return hashed.hexdigest()
