"""Why: what of the reasons ``detect`` is asked to give along with its verdicts."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nice_anomaly.cli.options import OUTPUT, option
from nice_anomaly.errors import ConfigError

if TYPE_CHECKING:
    from nice_anomaly.cli.render import Bar
    from nice_anomaly.data.dataset import Kind
    from nice_anomaly.evaluation.reasoned import Asked
    from nice_anomaly.evaluation.verdicts import Verdicts
    from nice_anomaly.library import Run


@dataclass(frozen=True)
class Why:
    """Which samples are explained, and whether there are pictures of it."""

    explain: Annotated[
        bool, option(OUTPUT, "--explain", help="Say of what is flagged why, and what was expected.")
    ] = False
    explain_all: Annotated[
        bool, option(OUTPUT, "--explain-all", help="Say it of every sample that can be read.")
    ] = False
    heatmaps: Annotated[
        Path | None,
        option(
            OUTPUT,
            "--heatmaps",
            metavar="DIR",
            help="A folder for pictures of flagged images: where they are odd.",
        ),
    ] = None

    def check(self, fdr: float | None) -> None:
        """Say what cannot be before anything is read."""
        if self.explain_all and fdr is not None:
            raise ConfigError(
                "--fdr decides at the end what is flagged, and only that can then be explained: "
                "give --explain instead of --explain-all."
            )
        if self.heatmaps is not None:
            from nice_anomaly.explain.folder import SHEET, check

            check(self.heatmaps, "heatmaps", (SHEET,))

    def kind(self, run: "Run") -> "Kind | None":
        """What is explained in the columns of the output; None without ``--explain``.

        Raises:
            ConfigError: pictures were asked for of a table.
        """
        kind = run.manifest.data.layout.kind
        if self.heatmaps is not None and kind != "image":
            raise ConfigError(
                f"--heatmaps are for images, and {run.name} has learned a table: --explain names "
                f"the columns that make a row odd."
            )
        return kind if self.explain or self.explain_all else None

    def asked(self, bar: "Bar") -> "Asked | None":
        """The same for the library, if anything is."""
        if not (self.explain or self.explain_all or self.heatmaps is not None):
            return None
        from nice_anomaly.evaluation.reasoned import Asked
        from nice_anomaly.limits import limit

        only_pictures = not (self.explain or self.explain_all)
        most = limit("heatmaps") if only_pictures else None
        return Asked(self.explain_all, most, lambda done: bar.note(f"{done:,} explained"))


class Pictures:
    """Pictures of flagged images, up to a limit, as the verdicts stream by."""

    def __init__(self, folder: Path, unit: str) -> None:
        from nice_anomaly.explain.folder import Album
        from nice_anomaly.limits import limit

        self._album, self._folder, self._most = Album(folder, unit), folder, limit("heatmaps")
        self._flagged = 0

    def add(self, one: "Verdicts") -> None:
        """Draw what is flagged in a batch."""
        from nice_anomaly.explain.value import ImageReasons

        self._flagged += int((one.found.flagged & one.batch.good).sum())
        for reasons in one.reasons.values():
            if (
                self._album.count < self._most
                and isinstance(reasons, ImageReasons)
                and reasons.held.flagged
            ):
                self._album.add(reasons)

    def close(self) -> None:
        """Draw the sheet of all, and say what there is."""
        from nice_anomaly.cli.render import say
        from nice_anomaly.words import count_of

        self._album.close()
        left = self._flagged - self._album.count
        more = (
            f"; {left:,} more are flagged, 'nice-anomaly explain --id' draws them" if left else ""
        )
        count = count_of(self._album.count, "picture")
        say(f"drew {count} in {self._folder}{more}" if self._flagged else "nothing to draw")
