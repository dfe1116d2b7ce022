"""The rule that the options of ``calibrate`` ask for."""

from typing import TYPE_CHECKING, Literal

from nice_anomaly.errors import ConfigError

if TYPE_CHECKING:
    from nice_anomaly.calibrate import Rule, Tail
    from nice_anomaly.config import CalibrateSettings

RuleName = Literal["sigma", "certified", "conformal", "quantile", "manual"]
KNOWN_BY: dict[str, tuple[RuleName, ...]] = {  # the first is meant where none is named
    "--k": ("sigma",),
    "--alpha": ("certified", "conformal", "quantile"),
    "--confidence": ("certified",),
    "--threshold": ("manual",),
    "--ceiling": ("manual",),
}


def choose(rule: RuleName | None, given: dict[str, float | None]) -> RuleName | None:
    """The rule that was asked for, by name or by what only it knows; None without either.

    Raises:
        ConfigError: an option that this rule does not know is refused, never passed over.
    """
    options = [option for option, value in given.items() if value is not None]
    chosen = rule
    if chosen is None and options:
        chosen = KNOWN_BY[options[0]][0]
    for option in options:
        if chosen not in KNOWN_BY[option]:
            raise ConfigError(
                f"{option} is for --rule {' and '.join(KNOWN_BY[option])}, not for {chosen}."
            )
    if chosen == "manual" and "--threshold" not in options:
        raise ConfigError("--rule manual takes the threshold with --threshold NATS.")
    return chosen


def build(
    name: str, given: dict[str, float | None], settings: "CalibrateSettings | None"
) -> "Rule":
    """The rule of that name, its numbers from the options, else from the run's settings.

    Raises:
        ConfigError: a number that cannot be.
    """
    from nice_anomaly.calibrate import Certified, Conformal, Manual, Quantile, Sigma
    from nice_anomaly.config import CalibrateSettings

    settings = settings or CalibrateSettings()

    def number(option: str, default: float) -> float:
        value = given[option]
        return default if value is None else value

    alpha = number("--alpha", settings.alpha)
    if name == "certified":
        return Certified(alpha, number("--confidence", settings.confidence))
    if name == "conformal":
        return Conformal(alpha)
    if name == "quantile":
        return Quantile(alpha)
    if name == "manual":
        return Manual(number("--threshold", 0.0), number("--ceiling", float("inf")))
    return Sigma(number("--k", settings.k))


def tail_of(rule: "Rule", wanted: "Tail | None", default: "Tail") -> "Tail":
    """The tails that count; thresholds by hand say it themselves.

    Raises:
        ConfigError: a ceiling without the upper tail, or the upper tail without a ceiling.
    """
    from nice_anomaly.calibrate import Manual

    if not isinstance(rule, Manual):
        return wanted or default
    own: Tail = "low" if rule.ceiling == float("inf") else "both"
    if wanted == "low" and own == "both":
        raise ConfigError("--tail low ignores scores that are too high: leave --ceiling away.")
    if wanted == "both" and own == "low":
        raise ConfigError("--tail both needs the upper threshold too: give --ceiling.")
    return own
