"""Choice: the rule that a user's numbers ask for."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TypedDict, cast

from nice_anomaly.errors import ConfigError
from nice_anomaly.settings import CalibrateSettings
from nice_anomaly.thresholds.bounds import number
from nice_anomaly.thresholds.rule import Rule
from nice_anomaly.thresholds.rules import RULES, CrossConformal, Manual
from nice_anomaly.vocabulary import RuleName, Tail

Numbers = Mapping[str, float | None]  # by the names of the rules' fields; None was not given


class RuleNumbers(TypedDict):
    """All of them, as arguments."""

    k: float | None
    alpha: float | None
    confidence: float | None
    threshold: float | None
    ceiling: float | None


def choose(
    rule: RuleName | None,
    numbers: Numbers | RuleNumbers,
    settings: CalibrateSettings,
    *,
    out_of_fold: bool = False,
) -> Rule:
    """The rule of that name, or the first that has the numbers given; else that of the settings.

    Numbers that were not given are those of the settings. ``out_of_fold`` scores are of samples in
    folds, of which a rate without a confidence is cross-conformal.

    Raises:
        ConfigError: no such rule, a number that it does not have or that cannot be, or one whose
            promise is not about such scores.

    >>> choose(None, {"alpha": 0.05, "k": None}, CalibrateSettings())
    Certified(alpha=0.05, confidence=0.95)
    >>> choose(None, {"alpha": 0.05}, CalibrateSettings(), out_of_fold=True)
    CrossConformal(alpha=0.05)
    """
    every = cast(Numbers, numbers)
    given = {name: number(name, value) for name, value in every.items() if value is not None}
    if rule is None and out_of_fold and [*given] == ["alpha"]:
        rule = CrossConformal.name
    if rule is None:
        rule = next((r for r in RULES for name in given if name in _names(r)), settings.rule)
    if rule not in RULES:
        raise ConfigError(f"there is no rule '{rule}'. Choose one of: {', '.join(RULES)}.")
    for name in given:
        if name not in _names(rule):
            known = " and ".join(other for other in RULES if name in _names(other))
            raise ConfigError(f"`{name}` is for the rule {known}, not for {rule}.")
    if rule == "manual" and "threshold" not in given:
        raise ConfigError("the rule manual takes the threshold with `threshold`.")
    usual = {name: getattr(settings, name) for name in _names(rule) if hasattr(settings, name)}
    found = RULES[rule](**{**usual, **given})
    refuse_reserved(found, out_of_fold=out_of_fold)
    return found


def refuse_upper(rule: Rule, tail: Tail) -> None:
    """Refuse the upper tail of a rule whose promise is about the lower one.

    New samples meet more of what was learned than each sample of a fold did, their own copies at
    worst: they may be too normal, not too odd.

    Raises:
        ConfigError: the rule is cross-conformal.
    """
    if tail == "both" and rule.out_of_fold:
        raise ConfigError(
            f"`tail='both'` is not for the rule {rule.name}: flows have learned more of what new "
            f"samples are like than of each fold, and score some higher. Take `tail='low'`, give "
            f"fresh normals with `calibrate(inputs)`, or train with `folds=0`."
        )


def refuse_reserved(rule: Rule, *, out_of_fold: bool) -> None:
    """Refuse a rule whose promise is not about these scores.

    Raises:
        ConfigError: it is about samples that no flow has seen, or about samples in folds.
    """
    if rule.out_of_fold is None or rule.out_of_fold == out_of_fold:
        return
    if out_of_fold:
        raise ConfigError(
            f"the rule {rule.name} is for samples that no flow has seen, and these are in folds: "
            f"take `rule='cross-conformal'`, give fresh normals with `calibrate(inputs)`, or train "
            f"with `folds=0`."
        )
    raise ConfigError(
        f"the rule {rule.name} is for samples in folds, and no flow has seen these: take "
        f"`rule='conformal'`, or `confidence=0.95` for a certified rate."
    )


def tail_of(rule: Rule, wanted: Tail | None, default: Tail) -> Tail:
    """The tails that count; thresholds by hand say it themselves.

    Raises:
        ConfigError: a ceiling without the upper tail, the upper tail without a ceiling, or where
            the rule has none.
    """
    if wanted not in (None, "low", "both"):
        raise ConfigError(f"`tail` takes low or both, got '{wanted}'.")
    refuse_upper(rule, wanted or default)
    if not isinstance(rule, Manual):
        return wanted or default
    own: Tail = "low" if rule.ceiling == float("inf") else "both"
    if wanted == "low" and own == "both":
        raise ConfigError("`tail='low'` ignores scores that are too high: leave `ceiling` away.")
    if wanted == "both" and own == "low":
        raise ConfigError("`tail='both'` needs the upper threshold too: give `ceiling`.")
    return own


def _names(rule: RuleName) -> list[str]:
    return [field.name for field in fields(RULES[rule])]  # type: ignore[arg-type]
