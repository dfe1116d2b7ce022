"""Choice: the rule that a user's numbers ask for."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TypedDict, cast

from nice_anomaly.errors import ConfigError
from nice_anomaly.settings import CalibrateSettings
from nice_anomaly.thresholds.bounds import number
from nice_anomaly.thresholds.rules import RULES, Manual, Rule
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
    rule: RuleName | None, numbers: Numbers | RuleNumbers, settings: CalibrateSettings
) -> Rule:
    """The rule of that name, or the first that has the numbers given; else that of the settings.

    Numbers that were not given are those of the settings.

    Raises:
        ConfigError: no such rule, a number that it does not have or that cannot be.

    >>> choose(None, {"alpha": 0.05, "k": None}, CalibrateSettings())
    Certified(alpha=0.05, confidence=0.95)
    """
    every = cast(Numbers, numbers)
    given = {name: number(name, value) for name, value in every.items() if value is not None}
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
    return RULES[rule](**{**usual, **given})


def tail_of(rule: Rule, wanted: Tail | None, default: Tail) -> Tail:
    """The tails that count; thresholds by hand say it themselves.

    Raises:
        ConfigError: a ceiling without the upper tail, or the upper tail without a ceiling.
    """
    if wanted not in (None, "low", "both"):
        raise ConfigError(f"`tail` takes low or both, got '{wanted}'.")
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
