"""Pipe: a table that another program writes while it is read."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from nice_anomaly.data.names import readable
from nice_anomaly.errors import DataError
from nice_anomaly.limits import limit
from nice_anomaly.words import count_of


def opened_pipe(path: Path) -> IO[bytes]:
    """What is written to a pipe with a name, once somebody does.

    Raises:
        DataError: nobody does within the limit 'pipe'.
    """
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(os.open, path, os.O_RDONLY)  # waits until there is a writer
        try:
            return os.fdopen(opening.result(limit("pipe")), "rb", buffering=0)
        except TimeoutError as error:
            waited = count_of(limit("pipe"), "second")
            raise DataError(
                f"{readable(path)} is a pipe, and for {waited} nobody has written to it. Start "
                f"what writes to it first."
            ) from error
        finally:
            if not opening.done():
                _release(path)


def _release(path: Path) -> None:
    """End the waiting: be a writer for a moment."""
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
