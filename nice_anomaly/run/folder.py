"""Folder: a trained model with its preprocessing and manifest, saved and verified.

The weights go to a new file first, named by their fingerprint; writing the manifest is the
switch, so a full disk or a crash leaves the previous run whole.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.density import Density
from nice_anomaly.errors import ArtifactError
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.run.canaries import (
    Canaries,
    canaries,
    canaries_bytes,
    canaries_content,
    drawn_rows,
    load_canaries,
)
from nice_anomaly.run.manifest import (
    CANARIES,
    MANIFEST,
    REFERENCES,
    VIEWS,
    Manifest,
    as_json,
    load_manifest,
    parse_manifest,
)
from nice_anomaly.run.references import (
    References,
    fitting,
    load_references,
    references_bytes,
    references_content,
)
from nice_anomaly.run.stored import FORMAT, OLD, Files, Folder, Memory, damaged, digest
from nice_anomaly.run.views import load_views, views_bytes, views_content
from nice_anomaly.run.weights import contents, weights_bytes
from nice_anomaly.runtime import choose_device, choose_precision
from nice_anomaly.scores import Scorer, Views
from nice_anomaly.scores.neighbours import Neighbours

PARTS = {CANARIES: canaries_content, REFERENCES: references_content, VIEWS: views_content}
ATTEMPTS = 10  # to read a run whole while others take its place
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A trained model with all that is needed to use it, wherever it is kept.

    ``seen`` holds, sorted, a hash of every sample that training or early stopping has used.
    ``files`` have the other parts, which are read when they are asked for.
    """

    manifest: Manifest
    model: Density
    preprocess: Preprocess
    seen: Tensor
    files: Files = field(repr=False)

    @property
    def canaries(self) -> Canaries:
        """Some samples with the scores that they had where the run was made; not of an old run.

        Raises:
            ArtifactError: their file is missing or damaged.
        """
        return load_canaries(self.manifest, self.files)

    @property
    def references(self) -> References:
        """Some normal samples: those that it keeps, else as its model draws them.

        Raises:
            ArtifactError: their file is missing or damaged.
        """
        if REFERENCES in self.manifest.parts:
            return load_references(self.manifest, self.files)
        layout, seed = self.manifest.data.layout, self.manifest.settings.seed
        rows = drawn_rows(self.model, self.preprocess, layout, seed, fitting(layout))
        return References(rows, drawn=True)

    @cached_property
    def views(self) -> Views | None:
        """What rows are held beside; None of images, and of a run that keeps no rows.

        Raises:
            ArtifactError: their file is missing or damaged.
        """
        return load_views(self.manifest, self.files) if VIEWS in self.manifest.parts else None

    def scorer(self, device: str = "auto", *, noise_seed: int | None = None) -> Scorer:
        """What scores raw samples with this run's weights; see ``Scorer``.

        Raises:
            ConfigError: no such device.
            ArtifactError: what it keeps to score with is damaged.
        """
        target, data = choose_device(device), self.manifest.data
        return Scorer(
            self.model.to(target),
            self.preprocess.to(target),
            choose_precision(self.manifest.settings.train.precision, target),
            self.manifest.fingerprint,
            data.layout.shape if data.layout.kind == "image" else None,
            views=self.views,
            noise_seed=noise_seed,
        )

    def with_views(
        self, neighbours: Sequence[Neighbours], references: Sequence[NDArray[Any]]
    ) -> "Trained":
        """The same with rows to hold others beside, of each flow, and references of each view."""
        content = views_bytes(neighbours, references)
        parts = {**self.manifest.parts, VIEWS: digest(content)}
        manifest = replace(self.manifest, parts=parts)
        assert isinstance(self.files, Memory)
        files = {**self.files.files, manifest.part_file(VIEWS): content}
        return replace(self, manifest=manifest, files=Memory(self.files.where, files))

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        weights: Mapping[str, Tensor],
        preprocess: Preprocess,
        seen: Tensor,
        rows: NDArray[Any] | None = None,
        device: str = "cpu",
    ) -> "Trained":
        """From the weights of a training; the manifest gets their fingerprint.

        Some of ``rows`` become its canaries, scored on ``device``, and its references; else the
        canaries are drawn.

        Raises:
            NumericsError: weights or scores are not finite.
        """
        content = weights_bytes(weights, preprocess, seen)
        manifest = replace(manifest, fingerprint=digest(content))
        files = Memory("in memory", {manifest.weights_file: content})
        return _watched(_opened(manifest, files), rows, device)

    def upgraded(self) -> "Trained":
        """The same in the newest format, with the same weights file and fingerprint."""
        return _watched(self, None, "cpu") if self.manifest.format == OLD else self


def packed(trained: Trained) -> dict[str, bytes]:
    """The files of a run by name, the manifest last; ``unpacked`` is the way back.

    Raises:
        ArtifactError: a part of it is gone.
    """
    newest = trained.upgraded()
    parts = {part: of for part, of in newest.manifest.parts.items() if part in PARTS}
    manifest = replace(newest.manifest, parts=parts)  # what later versions add is not known here
    content = weights_bytes(newest.model.state_dict(), newest.preprocess, newest.seen)
    return {
        manifest.weights_file: content,
        **{
            manifest.part_file(part): PARTS[part](manifest, newest.files) for part in manifest.parts
        },
        MANIFEST: as_json(manifest),
    }


def unpacked(files: Mapping[str, bytes], where: str) -> Trained:
    """A run from its files; ``where`` names it in errors.

    Raises:
        ArtifactError: files are missing, damaged, or written by a newer version.
    """
    if MANIFEST not in files:
        raise damaged(where, f"{MANIFEST} is missing")
    return _opened(parse_manifest(files[MANIFEST], where), Memory(where, files))


def load_run(path: Path) -> Trained:
    """Read a run and verify that weights and manifest belong together.

    Raises:
        ArtifactError: missing, damaged, or written by a newer version.
    """
    for _ in range(ATTEMPTS):
        manifest = load_manifest(path)
        try:
            found = _opened(manifest, Folder(path))
        except ArtifactError:
            if load_manifest(path) == manifest:
                raise
            continue
        if manifest.format == OLD:
            logger.info(
                f"{path} was written by an older version of nice-anomaly, which proves only its "
                f"weights: `load_run({str(path)!r}).verify(upgrade=True)` writes it anew"
            )
        return found
    raise damaged(path, f"{MANIFEST} is replaced again and again")


def _opened(manifest: Manifest, files: Files) -> Trained:
    found = contents(manifest, files)
    return Trained(manifest, found.model, found.preprocess, found.seen, files)


def _watched(trained: Trained, rows: NDArray[Any] | None, device: str) -> Trained:
    """The same in the newest format, with canaries and references from ``rows``.

    Without, the canaries are drawn, and no references are kept.
    """
    manifest, scorer = trained.manifest, trained.scorer(device)
    if rows is None:
        own = trained.model, trained.preprocess, manifest.data.layout, manifest.settings.seed
        found = canaries(scorer, drawn_rows(*own), drawn=True)
    else:
        found = canaries(scorer, rows, drawn=False)
    parts = {CANARIES: canaries_bytes(found)}
    if rows is not None:
        parts[REFERENCES] = references_bytes(rows[: fitting(manifest.data.layout)])
    hashes = {part: digest(content) for part, content in parts.items()}
    manifest = replace(manifest, parts=hashes, format=FORMAT)
    files = {manifest.part_file(part): content for part, content in parts.items()}
    return replace(trained, manifest=manifest, files=Memory(trained.files.where, files))
