"""The learning curve of ``plan --curve``: would more normals help?"""

from pathlib import Path

from nice_anomaly.cli.options import Machine


def show_curve(run: Path | None, machine: Machine, *, as_json: bool) -> None:
    """Train the run again on a quarter and on half of its normals, and say what each step gave."""
    from nice_anomaly.cli import render, runs
    from nice_anomaly.library import load_run
    from nice_anomaly.library.growing import verdict

    loaded = load_run(runs.locate(run), device=machine.device, data_root=machine.data_root)
    with render.progress_bar("training again", None, "steps") as bar:
        steps = [*loaded.learning_curve(watch=bar.advance)]
    if as_json:
        record = {"run": loaded.name, "steps": [step.record() for step in steps]}
        render.show_json({**record, "verdict": verdict(steps)})
        return
    lines = [
        [
            f"{step.normals:,}",
            f"{step.log_likelihood:,.2f}",
            "–" if step.gain is None else f"{step.gain:+,.2f}",
            "–" if step.interval is None else "[{:+,.2f}, {:+,.2f}]".format(*step.interval),
        ]
        for step in steps
    ]
    header = ["normals learned", "median nats held out", "gain", "95 % interval"]
    render.show_table(f"would more normals help: {loaded.name}", header, lines, words=())
    render.say(verdict(steps))
