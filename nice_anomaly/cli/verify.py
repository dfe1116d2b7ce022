"""``nice-anomaly verify``: whether a run is whole, and scores here as where it was made."""

from typing import TYPE_CHECKING, Annotated

import typer

from nice_anomaly.cli import options
from nice_anomaly.cli.options import RUN, option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nice_anomaly.library.verifying import Rescored, Verified

Upgrade = Annotated[
    bool,
    option(RUN, "--upgrade", help="First write a run of an older version anew, same weights."),
]
Data = Annotated[
    bool, option(RUN, "--data", help="Look for the training data too: are they those it learned?")
]
EXAMPLES = ("nice-anomaly verify", "nice-anomaly verify --run runs/mnist --data --json")


def verify(
    machine: options.Machine,
    run: options.Run = None,
    upgrade: Upgrade = False,
    data: Data = False,
    as_json: options.Json = False,
) -> None:
    """Check every file of a run, and whether its canaries still score as they did.

    Canaries are samples that a run keeps with their scores. Ends with 4 if a file is damaged or
    scores differ by more than rounding, 5 if the default calibration is of other weights, 6 if a
    score is no number, 3 if --data finds other data.
    """
    from nice_anomaly.cli import render, runs
    from nice_anomaly.cli.wording import as_typed
    from nice_anomaly.library import verify as verified

    path = runs.locate(run)
    found = verified(
        path, device=machine.device, data_root=machine.data_root, data=data, upgrade=upgrade
    )
    problem = found.problem
    if as_json:
        code = 0 if problem is None else problem.exit_code
        said = None if problem is None else as_typed(str(problem))
        render.show_json({**found.record(), "error": said, "exit_code": code})
    else:
        render.show_facts(f"verified: {found.name}", [*_facts(found)])
    if problem is not None:
        for one in dict.fromkeys(found.problems):
            render.show_error(one)
        raise typer.Exit(problem.exit_code)


def _facts(found: "Verified") -> "Iterator[tuple[str, str]]":
    for seen in found.files:
        yield seen.name, seen.state
    if found.old:
        again = f"'nice-anomaly verify --run {found.name} --upgrade' writes it anew"
        yield "format", f"of an older version, which proves only its weights; {again}"
    if found.canaries is not None:
        yield from _canaries(found.canaries)
    if found.data:
        yield "training data", found.data


def _canaries(found: "Rescored") -> "Iterator[tuple[str, str]]":
    from nice_anomaly.words import count_of

    source = "drawn from the model" if found.drawn else "kept from the training data"
    yield "canaries", f"{count_of(found.n, 'sample')} {source}, scored again"
    yield "made with", found.then
    yield "scored with", found.now
    if found.largest == 0:
        yield "scores", "the same to the last bit"
    else:
        within = "within" if found.alike else "beyond"
        yield (
            "scores",
            f"differ by up to {found.largest:.2g} nats (canary {found.place}), {within} the "
            f"{found.tolerance:.2g} that rounding may do",
        )
    for name, count in found.changed.items():
        other = count_of(count, "other verdict") if count else "the same verdicts"
        yield f"by {name}", other
