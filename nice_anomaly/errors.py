"""Every error a user can cause: what was wrong, where, and what to do next.

Each family has the exit code that the command line ends with, so that a shell script can
tell a typing mistake from a damaged run folder without reading the sentence.
"""


class NiceAnomalyError(Exception):
    """Base of all errors of this package that a user can cause.

    The message is a complete sentence for a person: what, where, remedy. Several arguments are
    lines of their own, and none breaks in two because of what somebody's file is called.
    ``exit_code`` is what the command line returns for it.
    """

    exit_code = 1

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


class ConfigError(NiceAnomalyError):
    """A setting, a configuration file or a combination of options makes no sense."""

    exit_code = 2


class DataError(NiceAnomalyError):
    """Input data are missing, damaged, of the wrong kind, or could not be downloaded."""

    exit_code = 3


class ArtifactError(NiceAnomalyError):
    """A run folder is missing, damaged, of another version, or cannot be written."""

    exit_code = 4


class NotCalibratedError(NiceAnomalyError):
    """The run has no threshold yet, or one that was made for other weights."""

    exit_code = 5


class NumericsError(NiceAnomalyError):
    """A loss or a score stopped being a finite number."""

    exit_code = 6
