"""The detector as scikit-learn knows detectors, a thin shell over ``learn`` and ``calibrate``.

Needs scikit-learn 1.6, and for frames the extra 'table'.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from nice_anomaly import normals
from nice_anomaly.data import Wishes, recognise
from nice_anomaly.errors import NiceAnomalyError
from nice_anomaly.keeping import silent, train_to_the_end
from nice_anomaly.learning import remarks
from nice_anomaly.library import Run, begin, settings_for
from nice_anomaly.own_data import OwnData
from nice_anomaly.run import OLD, calibration_bytes, packed, parse_calibration, unpacked
from nice_anomaly.thresholds import (
    Bounds,
    Calibration,
    Certified,
    Conformal,
    CrossConformal,
    Detection,
    Manual,
    Rule,
    detect,
    ranks,
)
from nice_anomaly.thresholds.choice import refuse_reserved

FEWEST = 8  # rows: half to fit, two to stop the training, two for the threshold
PICKLE = "a pickled NiceDetector"


class TooFewNormalsWarning(UserWarning):
    """The held-out rows are too few for the promise: it is kept by flagging nothing."""


class NiceDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """Outliers of a table, with a false-alarm rate: the density of normal rows by a NICE flow.

    ``fit`` takes every row as normal. Up to 2,000 are cut into folds: five or ten flows learn, each
    all but one fold, and every row counts for the threshold by the flow that has not seen it. Of
    more, or with a ``confidence``, a tenth is kept to stop the training in time and a quarter for
    the threshold, which the flow never sees. Missing cells (NaN) are read: that they
    are missing is learned too. Infinite ones are refused. A pandas, Polars or Arrow frame whose
    columns have names may also hold categories, truths and dates; of another frame or an array
    all has to be numbers. More than 100,000 rows are reduced to a random choice of that many
    (``overrides=["data.rows=…"]``).

    Parameters
    ----------
    alpha
        The false-alarm rate: of new normal rows at most this share is flagged. It is *no* share
        of outliers ("contamination") in X.
    confidence
        None keeps a rate near ``alpha`` in folds (cross-conformal), and ``alpha`` on average over
        fits where rows are held out (conformal); a number like 0.95 keeps it in that share of all
        fits (certified), which takes more rows, for a part of them is held out.
    config
        A shipped configuration or a YAML file. Of what it says of ``calibrate`` the score counts.
    overrides
        Single settings on top, like ``["train.epochs=5"]``.
    device
        auto, cpu or cuda.
    random_state
        Decides which rows are in which fold or held out, and the training. A number s gives the
        run of ``nice_anomaly.learn(X, config=…, seed=s)``.

    Attributes
    ----------
    run_
        The ``nice_anomaly.Run``, with its calibration: ``run_.save(folder)`` gives it to the
        command line; ``run_.calibrate(new_normals, alpha=…)`` sets another threshold without
        another training. Of X it holds up to 10,000 rows, beside which others are held, unless
        ``overrides=["neighbours=false"]``.
    calibration_
        Its ``Calibration``: the rule, its claim, and the scores that it rests on.
    offset_
        The threshold. It is -inf, after a ``TooFewNormalsWarning``, where so few rows
        are there for it that only flagging nothing keeps the promise.
    n_features_in_
        The number of columns.
    feature_names_in_
        Their names, where X is a frame and all are strings.

    The promise is for new rows that come as those in X came, independently; rows of X itself, as
    in ``fit_predict``, are known to the flow. A score depends on its row alone, up to the rounding
    of float32, which in folds may move it by a rank. A pickle holds the run in its own safe format
    and gives the same to the bit.

    Every method raises ValueError for what it cannot read, ``fit`` also for settings that cannot
    be, for less than eight rows, and for rows that are all the same.

    Examples
    --------
    >>> import numpy as np
    >>> from nice_anomaly.sklearn import NiceDetector
    >>> X = np.random.default_rng(0).normal(size=(400, 2)).cumsum(axis=1)
    >>> detector = NiceDetector(alpha=0.05, overrides=["train.epochs=5"]).fit(X)
    >>> detector.predict([[0.1, 0.2], [9.0, -9.0]]).tolist()
    [1, -1]
    """

    def __init__(
        self,
        *,
        alpha: float = 0.05,
        confidence: float | None = None,
        config: str = "table",
        overrides: Sequence[str] | None = None,
        device: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.alpha = alpha
        self.confidence = confidence
        self.config = config
        self.overrides = overrides
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the density of X ``[n, d]`` and set the threshold; ``y`` is not looked at."""
        del y
        table = self._table(X, reset=True)
        with _value_errors():
            rule = self._rule()
            found = recognise(table)
            settings = settings_for(found, self.config, self._overrides(), self._seed())
            job = begin(found, settings, Wishes(fewest=FEWEST), device=self.device)
            trained = job.trained(train_to_the_end(job, None, None, silent))
            run = Run(trained, device=self.device)  # without X: it is not kept
            own = OwnData(job.material, None, job.settings.seed)
            held_out = normals.held_out(trained, run.scorer(), own, settings.calibrate.score)
            if held_out.folds is not None and self.confidence is None:
                rule = CrossConformal(self.alpha)
            calibration = _calibrated(held_out, rule)
        run.keep(calibration)
        self.run_ = run
        found_out = normals.remarks(held_out, calibration, run.manifest.data)
        for remark in (*remarks(job), *trained.model.remarks, *found_out):
            warnings.warn(remark, stacklevel=2)
        if not calibration.overall.bounds.rank:
            text = _too_few(calibration, run.manifest.data.n)
            warnings.warn(text, TooFewNormalsWarning, stacklevel=2)
        return self

    def _overrides(self) -> list[str]:
        """With a part held out, which a certified rate takes, unless folds are asked for."""
        given = [*(self.overrides or ())]
        certain = self.confidence is not None and not any("folds" in one for one in given)
        return [*given, *(["data.folds=0"] if certain else [])]

    @property
    def calibration_(self) -> Calibration:
        """What the threshold rests on."""
        return self.run_.calibration()

    @property
    def offset_(self) -> float:
        """The threshold: what scores strictly below is flagged."""
        return self.calibration_.threshold

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """How usual each row of X ``[n, d]`` is, ``[n]``; higher is more normal.

        With ``calibrate.score=likelihood`` in ``overrides`` it is the log-likelihood in nats.
        """
        return self._detection(X).scores

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """``score_samples(X) - offset_``, ``[n]``; negative is flagged."""
        return self._detection(X).margin

    def predict(self, X: Any) -> NDArray[np.int64]:
        """-1 for a row that is flagged, else 1, ``[n]``."""
        return np.where(self._detection(X).flagged, -1, 1)

    def p_values(self, X: Any) -> NDArray[np.float64]:
        """Conformal p-values ``[n]``, (1 + #{S_i ≤ s}) / (m + 1) over the m held-out scores S_i.

        A normal row has P(p ≤ α) ≤ α for every α (Vovk et al. 2005); where rows are in folds
        instead, P(p ≤ α) is near α. Without ``confidence``, flagged is exactly what has
        p ≤ ``alpha``.
        """
        return self._detection(X).p_value

    def __getstate__(self) -> dict[str, Any]:
        """The run as the files of its own format: a pickle holds no tensors."""
        state = {**super().__getstate__()}
        if "run_" in state:
            run = state["run_"]
            kept = {name: calibration_bytes(one, name) for name, one in run.readable_calibrations()}
            state["run_"] = packed(run.trained), kept
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Raises ArtifactError when the files do not belong together."""
        state = {**state}
        if "run_" in state:
            files, calibrations = state["run_"]
            run = Run(unpacked(files, PICKLE), device=state["device"])
            weights, old = run.manifest.fingerprint, run.manifest.format == OLD
            for name, kept in calibrations.items():
                again = "Fit it again."
                run.keep(parse_calibration(kept, name, weights, PICKLE, again, old=old), name)
            state["run_"] = run
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _rule(self) -> Rule:
        if self.confidence is None:
            return Conformal(self.alpha)
        return Certified(self.alpha, self.confidence)

    def _seed(self) -> int:
        drawn = check_random_state(self.random_state)
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(drawn.randint(np.iinfo(np.int32).max))

    def _table(self, X: Any, *, reset: bool) -> Any:
        """X as the library reads it: by its names, or by position, as ``fit`` was given it."""
        by_name = _has_names(X) and (reset or hasattr(self, "feature_names_in_"))
        checked = validate_data(
            self,
            X,
            reset=reset,
            skip_check_array=by_name,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_min_samples=FEWEST if reset else 1,
        )
        if by_name:  # an index may name rows twice, as after resampling
            return X.reset_index(drop=True) if hasattr(X, "reset_index") else X
        if not hasattr(self, "feature_names_in_"):
            return checked
        import pyarrow

        return pyarrow.table(dict(zip(self.feature_names_in_, checked.T, strict=True)))

    def _detection(self, X: Any) -> Detection:
        check_is_fitted(self)
        table = self._table(X, reset=False)
        with _value_errors():
            calibration = self.calibration_
            return detect(self.run_.score(table, calibration=calibration), calibration)


@contextmanager
def _value_errors() -> Iterator[None]:
    """What this package refuses, as scikit-learn refuses it."""
    try:
        yield
    except NiceAnomalyError as error:
        said = str(error).replace(", or leave it out with `skip_unreadable=True`", "")
        raise ValueError(said) from error


def _has_names(X: Any) -> bool:
    """Whether it is a frame whose columns are all called by strings."""
    arrow = hasattr(X, "column_names") and not hasattr(X, "iloc")
    names = list(X.column_names if arrow else getattr(X, "columns", ()))
    return bool(names) and all(isinstance(name, str) for name in names)


def _calibrated(found: normals.Normals, rule: Rule) -> Calibration:
    """The thresholds of the rule, or -inf where it needs more scores than there are."""
    refuse_reserved(rule, out_of_fold=found.folds is not None)
    if len(found.scores) >= rule.fewest("low"):
        return found.calibrate(rule)
    alone = found.calibrate(Manual(0.0))
    return replace(alone, rule=rule, overall=replace(alone.overall, bounds=Bounds(-np.inf)))


def _too_few(calibration: Calibration, rows: int) -> str:
    rule, n = calibration.rule, calibration.n
    fewest, least = rule.fewest("low"), rule.smallest_rate(n, "low")
    offer = 1.0 if least is None else ranks.rounded_up(least)
    accept = f", or accept `alpha={offer:g}`, which {n:,} support" if offer < 1 else ""
    kind, had, way = "normals", f"had {n:,}", ""
    if calibration.folds is None:
        kind, had = "held-out normals", f"held out {n:,} of {rows:,} rows"
        way = f", of which `overrides=['data.calibration={fewest}']` holds out enough"
    return (
        f"{calibration.title} needs {fewest:,} {kind}, and this fit {had}: nothing is flagged "
        f"(offset_ is -inf). Fit on more rows{way}{accept}."
    )
