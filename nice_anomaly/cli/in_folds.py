"""In folds: what normals give that all teach and all calibrate, for ``plan``."""

from typing import Any

from nice_anomaly.cli import render
from nice_anomaly.settings import FOLDS, DataSettings
from nice_anomaly.thresholds import ranks
from nice_anomaly.thresholds.out_of_fold import proven_rate
from nice_anomaly.words import count_of, percent

MOST = 1_000_000  # normals: of more, what is proven is not worked out


def in_folds(n: int, alpha: float) -> dict[str, Any]:
    """Of n normals in as many folds as ``train`` cuts them: the rate to expect, and what is proven.

    Proven is what holds of every score.

    >>> found = in_folds(100, 0.05)
    >>> found["folds"], found["k"], round(found["guaranteed_rate"], 3)
    (10, 5, 0.152)
    """
    folds = min(n, DataSettings(folds="auto").folds_for(n) or FOLDS)
    rank = ranks.conformal_rank(n, alpha)
    sizes = [n // folds + (fold < n % folds) for fold in range(folds)]
    known = rank > 0 and n <= MOST
    return {
        "n": n,
        "folds": folds,
        "k": rank,
        "expected_rate": rank / (n + 1) if rank else None,
        "guaranteed_rate": proven_rate(rank, sizes, symmetric=False) if known else None,
    }


def fact(found: dict[str, Any], alpha: float, *, fewest: bool) -> tuple[str, str]:
    """The same as a line; ``fewest`` says that these are as few as can be."""
    normals = f"{count_of(found['n'], 'normal')} in {found['folds']} folds"
    if not found["k"]:
        return normals, f"are too few: their rate is {percent(1 / (found['n'] + 1))} or more"
    near = f"a rate near {percent(alpha if fewest else found['expected_rate'])}"
    proven = found["guaranteed_rate"]
    bound = "" if proven is None else f", at most {percent(proven)} proven"
    are = "are the fewest for" if fewest else "give"
    return normals, f"{are} {near} on average{bound} (--rule cross-conformal)"


def show_rates(n: int, rates: tuple[float, ...]) -> None:
    """What n normals in folds come near, and what is proven of it."""
    lines = []
    for rate in rates:
        found = in_folds(n, rate)
        proven = found["guaranteed_rate"]
        needed = ranks.fewest_conformal(rate)
        lines.append(
            [
                percent(rate),
                "yes" if found["k"] else f"no, {needed:,} needed",
                f"{found['k']:,}" if found["k"] else "–",
                percent(found["expected_rate"]) if found["k"] else "–",
                "–" if proven is None else percent(proven),
            ]
        )
    folds = in_folds(n, 0.5)["folds"]
    render.show_table(
        f"what {count_of(n, 'normal')} in {folds} folds come near (--rule cross-conformal)",
        ["rate", "possible", "k, left out", "false alarms to expect", "proven at most"],
        lines,
        words=(1,),
    )
