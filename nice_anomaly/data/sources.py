"""Sources: where samples came from, said when they were read and never guessed from a name."""

from dataclasses import dataclass

from nice_anomaly.data.reading import Reading


@dataclass(frozen=True)
class BuiltIn:
    """A built-in set; see ``nice_anomaly.data.builtin``, which makes these."""

    name: str


@dataclass(frozen=True)
class Own:
    """A user's files: the arguments as absolute paths, and how they are read."""

    inputs: tuple[str, ...]
    reading: Reading


@dataclass(frozen=True)
class InMemory:
    """Arrays or frames, which are gone when the process ends, and how they are read."""

    reading: Reading


Source = BuiltIn | Own | InMemory
