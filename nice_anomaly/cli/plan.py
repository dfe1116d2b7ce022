"""``nice-anomaly plan``: how many normals a promise takes, and what those at hand can support."""

from typing import Annotated, Any

from nice_anomaly.cli import options
from nice_anomaly.cli.options import THRESHOLD, option
from nice_anomaly.errors import ConfigError
from nice_anomaly.vocabulary import Tail

RATES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0001)
MOST = 10**12
STEPS = (1, 2, 5, 10, 20, 50, 100)  # ranks left out: the more, the closer to the claim


Alpha = Annotated[
    float | None,
    option(
        THRESHOLD, "--alpha", metavar="RATE", help="The false-alarm rate to promise, like 0.01."
    ),
]
Normals = Annotated[
    int | None, option(THRESHOLD, "--n", metavar="N", help="How many held-out normals there are.")
]
Confidence = Annotated[
    float,
    option(THRESHOLD, "--confidence", metavar="SHARE", help="How surely the promise shall hold."),
]
Tails = Annotated[
    Tail,
    option(THRESHOLD, "--tail", metavar="low|both", help="both: flag what is too normal as well."),
]
Curve = Annotated[
    bool,
    option(
        THRESHOLD,
        "--curve",
        help="Train the run again on a quarter and half of its normals: would more help?",
    ),
]
EXAMPLES = ("nice-anomaly plan --alpha 0.001", "nice-anomaly plan --curve")


def plan(
    machine: options.Machine,
    alpha: Alpha = None,
    n: Normals = None,
    confidence: Confidence = 0.95,
    tail: Tails = "low",
    curve: Curve = False,
    run: options.Run = None,
    as_json: options.Json = False,
) -> None:
    """Say how many held-out normals a promised false-alarm rate takes, or what so many can promise.

    Held out are those that train keeps for calibrate, a quarter of your own data. Of few data none
    are: in folds every normal teaches and calibrates, and less is proven. Needs no run.

    --curve is another question, and of a run: whether it would be better with more normals.
    """
    if curve:
        if alpha is not None or n is not None:
            raise ConfigError("--curve asks about a run: leave --alpha and --n away.")
        from nice_anomaly.cli.growth import show_curve

        show_curve(run, machine, as_json=as_json)
        return
    if run is not None:
        raise ConfigError("--run is for --curve: the rest needs no run.")
    if alpha is None and n is None:
        raise ConfigError("give --alpha RATE, --n NORMALS, or both; or --curve.")
    if n is not None and not 1 <= n <= MOST:
        raise ConfigError(f"--n takes a number of normal samples, at least 1, got {n:,}.")
    from nice_anomaly.cli import render
    from nice_anomaly.cli.in_folds import in_folds, show_rates
    from nice_anomaly.thresholds import Certified, ranks, sides_of

    Certified(0.5 if alpha is None else alpha, confidence)  # says what cannot be
    sides = sides_of(tail)
    result: dict[str, Any] = {"alpha": alpha, "n": n, "confidence": confidence, "tail": tail}
    if n is not None:
        result["smallest_rate"] = ranks.smallest_rate(n, confidence, sides) if n >= sides else None
    if alpha is not None:
        result["needed"] = Certified(alpha, confidence).fewest(tail)
        result["needed_on_average"] = ranks.fewest_conformal(alpha, sides)
    if n is not None and alpha is not None:
        result["k"] = sides * (ranks.certified_rank(n, alpha, confidence) // sides)
    if alpha is not None and tail == "low":
        result["in_folds"] = in_folds(n or result["needed_on_average"], alpha)
    if as_json:
        render.show_json(result)
        return
    render.show_facts("plan", facts(result))
    if alpha is not None:
        _show_sizes(alpha, confidence, sides)
    if n is not None and alpha is None:
        _show_rates(n, confidence, sides)
        if tail == "low":
            show_rates(n, RATES)


def facts(result: dict[str, Any]) -> list[tuple[str, str]]:
    """The answer in words."""
    from nice_anomaly.cli.in_folds import fact
    from nice_anomaly.thresholds.ranks import rounded_up
    from nice_anomaly.words import count_of, percent, sure

    confidence = f"with {sure(result['confidence'])} confidence"
    lines = []
    if result["alpha"] is not None:
        claim = f"at most {percent(result['alpha'])} false alarms"
        lines += [
            (
                count_of(result["needed"], "held-out normal"),
                f"are the fewest for {claim}, {confidence}",
            ),
            (
                count_of(result["needed_on_average"], "held-out normal"),
                f"are the fewest for {claim} on average (--rule conformal)",
            ),
        ]
        if "in_folds" in result:
            lines.append(fact(result["in_folds"], result["alpha"], fewest=result["n"] is None))
    if result["n"] is not None:
        n = count_of(result["n"], "held-out normal")
        if result["smallest_rate"] is None:
            return [*lines, (n, "are too few for thresholds on both sides")]
        if rounded_up(result["smallest_rate"]) >= 1:
            return [*lines, (n, f"can promise nothing {confidence}")]
        least = percent(rounded_up(result["smallest_rate"]))
        if result["alpha"] is None:
            lines.append(
                (n, f"can promise at most {least} false alarms, nothing lower, {confidence}")
            )
        elif result["k"]:
            lines.append((n, f"are enough: the {result['k']:,} most extreme are left out (k)"))
        else:
            lines.append((n, f"are too few: they can promise {least}, nothing lower"))
    return lines


def _show_sizes(alpha: float, confidence: float, sides: int) -> None:
    """How the price of the promise falls with n."""
    from nice_anomaly.cli import render
    from nice_anomaly.thresholds import ranks
    from nice_anomaly.words import percent

    sizes = [ranks.fewest_certified(alpha, confidence, sides * step) for step in STEPS]
    lines = [
        [f"{n:,}", f"{sides * step:,}", percent(ranks.true_rate(n, sides * step)[0])]
        for n, step in zip(sizes, STEPS, strict=True)
    ]
    render.show_table(
        f"more normals, less caution: what a promise of {percent(alpha)} comes to",
        ["normals", "k, left out", "false alarms to expect"],
        lines,
        words=(),
    )


def _show_rates(n: int, confidence: float, sides: int) -> None:
    """What n normals can promise."""
    from nice_anomaly.cli import render
    from nice_anomaly.thresholds import ranks
    from nice_anomaly.words import count_of, percent

    lines = []
    for rate in RATES:
        k = sides * (ranks.certified_rank(n, rate, confidence) // sides)
        needed = ranks.fewest_certified(rate, confidence, sides)
        expected = percent(ranks.true_rate(n, k)[0]) if k else "–"
        possible = "yes" if k else f"no, {needed:,} needed"
        lines.append([percent(rate), possible, f"{k:,}" if k else "–", expected])
    render.show_table(
        f"what {count_of(n, 'held-out normal')} can promise",
        ["promise", "possible", "k, left out", "false alarms to expect"],
        lines,
        words=(1,),
    )
