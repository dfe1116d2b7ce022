"""Scripts do what they say, on settings small enough for a test."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nice_anomaly import Run, Scores, builtin, learn
from nice_anomaly.config import load
from nice_anomaly.data import evaluation_part, training_part
from nice_anomaly.settings import Settings

HERE = Path(__file__).parent.parent
NAMES = sorted(path.stem for path in (HERE / "scripts").glob("*.py"))
FAST = ["train.epochs=1"]
FAST_FOLDS = [*FAST, "train.fold_epochs=1"]
NOWHERE = Path("nowhere")


@pytest.fixture(scope="module", autouse=True)
def on_the_path() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE / "scripts"))
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("run") / "digits"
    run = learn(builtin("digits"), run=path, overrides=FAST)
    run.calibrate(say=lambda _: None)
    return run


def script(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.mark.parametrize("name", NAMES)
def test_each_can_be_imported_and_says_what_it_is(name: str) -> None:
    assert script(name).__doc__


class TestTrainOrLoad:
    wanted = load("digits", FAST)

    @pytest.fixture
    def trained(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
        """What was trained since."""
        calls: list[Settings] = []

        def train(settings: Settings, path: Path, root: Path) -> Run:
            del path, root
            calls.append(settings)
            return run

        monkeypatch.setattr(script("experiments"), "train", train)
        return calls

    def test_equal_settings_are_not_trained_again(self, run: Run, trained: list[Settings]) -> None:
        found = script("experiments").train_or_load(self.wanted, run.path, NOWHERE)
        assert found.manifest == run.manifest
        assert trained == []

    def test_other_settings_are_and_it_is_said(
        self, run: Run, trained: list[Settings], capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = load("digits", ["train.epochs=1", "flow.width=64", "seed=3"])
        script("experiments").train_or_load(other, run.path, NOWHERE)
        assert trained == [other]
        assert "differs in seed, flow.width\n" in capsys.readouterr().err

    def test_so_are_other_data_under_equal_settings(
        self, trained: list[Settings], tmp_path: Path
    ) -> None:
        images = training_part("digits", NOWHERE).values.reshape(-1, 8, 8)
        own = learn(images, config="digits", overrides=FAST, run=tmp_path / "own")
        assert own.manifest.settings == self.wanted
        script("experiments").train_or_load(self.wanted, own.path, NOWHERE)
        assert trained == [self.wanted]

    def test_a_new_one_takes_the_place_of_the_old(self, tmp_path: Path) -> None:
        train_or_load = script("experiments").train_or_load
        first = train_or_load(self.wanted, tmp_path / "run", NOWHERE)
        second = train_or_load(load("digits", [*FAST, "seed=1"]), tmp_path / "run", NOWHERE)
        assert first.manifest.settings.seed == 0
        assert second.manifest.settings.seed == 1
        assert len(list((tmp_path / "run").glob("weights-*"))) == 1


class TestStore:
    def stored(self, folder: Path) -> dict[str, Any]:
        path = folder / "results" / "x.json"
        script("experiments").store(path, {"a": [1]}, settings={"seed": 3})
        return dict(json.loads(path.read_text()))

    def test_provenance_stands_beside_the_results(self, tmp_path: Path) -> None:
        found = self.stored(tmp_path)
        assert list(found) == ["a", "provenance"]
        origin = found["provenance"]
        assert origin["settings"] == {"seed": 3}
        assert origin["versions"].keys() == {"python", "torch", "nice-anomaly", "numpy"}
        assert origin["cpus"] >= 1
        assert origin["date"].startswith("20")

    @pytest.mark.parametrize(("status", "mark"), [("", ""), (" M nice_anomaly/run.py", "-dirty")])
    def test_the_commit_says_whether_the_code_is_its_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, mark: str
    ) -> None:
        said = {"--show-prefix": "", "HEAD": "abc", "--porcelain": status}
        monkeypatch.setattr(script("experiments"), "git", lambda *words: said[words[1]])
        assert self.stored(tmp_path)["provenance"]["commit"] == f"abc{mark}"

    @pytest.mark.parametrize("prefix", [None, "inside/of/another/"])
    def test_without_a_repository_of_its_own_there_is_no_commit(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str | None
    ) -> None:
        monkeypatch.setattr(script("experiments"), "git", lambda *_: prefix)
        assert "commit" not in self.stored(tmp_path)["provenance"]


def test_pictures_are_drawn_from_results_alone(tmp_path: Path) -> None:
    script("figures").main(HERE / "results", tmp_path)
    drawn = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")}
    kept = {str(path.relative_to(HERE / "docs")) for path in (HERE / "docs").rglob("*.png")}
    of_runs = {"reasons.png", "reasons-images.png", "reasons-row.png", "report.png"}
    assert drawn == kept - of_runs
    for name in drawn:
        with Image.open(tmp_path / name) as image:
            assert image.format == "PNG"
            assert image.width == 900
            assert 250 < image.height < 600


def test_what_pictures_need_is_small() -> None:
    assert all(path.stat().st_size < 300_000 for path in (HERE / "results").iterdir())


def test_collect_keeps_what_a_run_says(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect = script("collect")
    monkeypatch.setattr(collect, "SETS", ("digits", "photos"))
    monkeypatch.setattr(collect, "BATCH", {"digits": 10, "photos": 5})
    collect.collect(run, NOWHERE, tmp_path)
    arrays, facts = script("drawing").collected(tmp_path)
    found = run.detect(builtin("photos"))
    assert facts["threshold"] == run.calibration().threshold
    assert facts["photos_flagged"] == found.flagged.mean()
    assert facts["photos_score"] == found.scores[3]
    assert np.array_equal(arrays["held_out"], run.normals().scores.values)
    assert set(arrays["held_out_class"]) == set(range(10))
    assert arrays["photos_counts"].sum() == len(found)
    terms = arrays["digits_terms"].sum() - arrays["photos_terms"].sum()
    scores = facts["digits_score"] - facts["photos_score"]
    assert terms == pytest.approx(scores, rel=1e-2)  # their sum is the score up to a constant


def test_demo_prints_each_step_and_one_table(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    demo = script("demo")
    monkeypatch.setattr(demo, "CASES", demo.CASES[1:])
    demo.main()
    said = capsys.readouterr()
    counted = [line.split()[-6:-4] for line in said.out.splitlines() if "nuclei" in line]
    assert [n for n, _ in counted] == ["100", "212"]
    steps = [line.split()[2] for line in said.err.splitlines() if line.startswith("$")]
    assert steps == ["train", "calibrate", "detect", "detect"]
    assert (elsewhere / "runs" / "demo-breast-cancer" / "run.json").is_file()


def test_example_data_are_as_many_as_the_sets(tmp_path: Path) -> None:
    script("example_data").main(tmp_path)
    assert len((tmp_path / "cells-new.csv").read_text().splitlines()) == 1 + 100 + 212
    assert len(list((tmp_path / "digits-new").glob("photo-*.png"))) == 100


def test_choose_tells_what_held_out_normals_say(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = script("choose")
    monkeypatch.setattr(choose, "load", lambda _, more: load("digits", [*FAST, *more]))
    line = choose.variation("narrow", ["flow.width=16"], 2, elsewhere)
    assert line["set"] == ["flow.width=16"]
    for key in ("held_out_nats", "three_sigma_rate", "sigma", "farthest", "train_seconds"):
        assert len(line[key]) == 2
        assert np.isfinite(line[key]).all()
    assert line["sigma"][0] != line["sigma"][1]
    assert min(line["farthest"]) > 2


def test_thresholds_count_what_a_law_foresees() -> None:
    thresholds = script("thresholds")
    scores = np.random.default_rng(0).normal(size=20_000)
    lines = {line["rule"]: line for line in thresholds.random_splits(scores)}
    assert lines["certified 1 %"]["k"] == 84
    assert lines["mean - 3σ"]["k"] is None
    assert lines["quantile 1 %"]["exceeded_expected"] == pytest.approx(10, abs=0.1)
    parts = (Scores(part) for part in (scores[:9_000], scores[9_000:], scores[:1_000] - 9))
    official = thresholds.official_split(*parts)[0]
    assert official["threshold"] == pytest.approx(-3, abs=0.1)
    assert official["type_ii"] == 0


def test_a_pair_of_powers_is_of_one_score(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = script("bench_pairs")
    monkeypatch.setattr(pairs, "builtin", lambda _: builtin("photos"))
    found = pairs.powers(run, "likelihood")
    _, *trials = run.stress(calibration="likelihood")
    assert found["stress_power"] == pytest.approx(np.mean([one.flagged.value for one in trials]))
    flagged = run.detect(builtin("photos"), calibration="likelihood").flagged
    assert found["type_ii"] == pytest.approx(1 - flagged.mean())


def test_planted_patches_are_looked_for_by_every_method(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = script("reasons_images")
    monkeypatch.setattr(images, "SHAPE", (8, 8))
    for name, value in {"SIDE": 3, "LEVELS": 17, "CHANGED": 4, "BY": 4, "ALPHA": 0.05}.items():
        monkeypatch.setattr(images, name, value)
    found = images.of_run(run, evaluation_part("digits", NOWHERE).values, 4, 0)
    assert list(found)[:2] == ["ours, likelihood", "ours, auto"]
    assert len(found) == 5
    for line in found.values():
        mean, low, high = line["auroc"]
        assert low <= mean <= high
        assert set(line["kinds"]) == set(images.KINDS)
    assert found["ours, likelihood"]["auroc"][0] > 0.6


@pytest.fixture
def far(tmp_path: Path) -> Path:
    """A folder with one table, whose anomalies are far from its normal rows."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(300, 3)), rng.normal(size=(30, 3)) + 6])
    np.savez(tmp_path / "1_far.npz", X=rows, y=np.repeat([0, 1], [300, 30]))
    return tmp_path


def test_tables_are_ranked_by_every_method(far: Path) -> None:
    tables, target = script("bench_tables"), far / "tables.json"
    tables.main(far, 1, FAST_FOLDS, None, target)
    found = json.loads(target.read_text())
    first = found["auroc_auprc_seconds"]["1_far"]
    assert list(first) == [tables.OURS, tables.LIKELIHOOD, tables.EQUAL, *tables.NAMES]
    assert all(line["auroc"] > 95 for line in first.values())
    assert found["difference"]["auroc"]["rival"] in tables.NAMES
    tables.main(far, 2, None, ["kNN"], target)
    second = json.loads(target.read_text())
    assert second["auroc_auprc_seconds"]["1_far"]["nice"] == first["nice"]
    assert second["provenance"]["settings"]["measured"] == ["kNN"]


def test_the_difference_is_to_the_best_rival_set_by_set() -> None:
    tables = script("bench_tables")
    made = {"nice": (90, 70, 80), "kNN": (80, 70, 78), "forest": (99, 50, 60)}
    found = {
        f"{place}": {name: {"auroc": values[place]} for name, values in made.items()}
        for place in range(3)
    }
    line = tables.difference(found, "auroc")
    assert (line["rival"], line["mean"]) == ("kNN", 4)
    assert line["interval"] == pytest.approx([0, 10], abs=2.1)
    assert tables.difference({"a": {"kNN": {"auroc": 1}}}, "auroc") == {}


def test_few_normals_are_measured_both_ways_and_only_once(
    far: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, kept, target = script("bench_small"), far / "kept.jsonl", far / "small.json"
    small.main(far, None, None, 1, [30, 400], None, FAST_FOLDS, kept, target)
    lines = small.read_kept(kept)
    assert [line.what for line in lines] == [("1_far", 30, 0, way) for way in small.WAYS]
    assert [line.rate is None for line in lines] == [False, True]  # 8 held out claim no 5 %
    assert all(line.auroc > 0.95 for line in lines)
    stamp = kept.stat().st_mtime_ns
    small.main(far, None, None, 1, [30], None, None, kept, target)
    assert kept.stat().st_mtime_ns == stamp
    (mean,) = json.loads(target.read_text())["means"]
    assert (mean["kind"], mean["n"], mean["sets"]) == ("tables", 30, 1)
    assert "30 tables" in capsys.readouterr().out


def test_the_photographs_of_a_category_become_thumbnails(tmp_path: Path) -> None:
    small = script("bench_small")
    for place, part in enumerate(("train/good", "test/good", "test/hole")):
        folder = tmp_path / "wood" / part
        folder.mkdir(parents=True)
        Image.new("RGB", (64, 48), (place, place, place)).save(folder / "a.png")
    (tmp_path / "papers").mkdir()
    (found,) = small.known_sets(None, None, tmp_path)
    assert found.name == "wood"
    assert found.normal.shape == (2, small.SIDE, small.SIDE)
    assert found.normal[:, 0, 0].tolist() == [0, 1]
    assert found.anomalous[:, 0, 0].tolist() == [2]


def test_means_over_sets_count_what_both_ways_have() -> None:
    small = script("bench_small")

    def line(name: str, draw: int, way: str, auroc: float, rate: float | None) -> Any:
        return small.Measured("tables", name, 30, draw, way, auroc, rate)

    found = [
        line("a", 0, "folds", 0.9, 0.04),
        line("a", 0, "split", 0.8, None),
        line("a", 1, "folds", 0.1, 0.9),  # not yet measured in the other way
        line("b", 0, "folds", 0.6, 0.08),
        line("b", 0, "split", 0.7, 0.02),
    ]
    (mean,) = small.summary(found)["means"]
    assert mean["gap"] == pytest.approx(0.0)
    assert mean["interval"] == pytest.approx([-10, 10])
    assert (mean["folds"]["rate"], mean["split"]["rate"]) == pytest.approx((0.06, 0.02))
    assert (mean["folds"]["highest"], mean["better"], mean["draws"]) == (0.08, 1, 1)
    assert small.table_of([mean])[1][0][-3:] == ["2.0 %", "6.0 %", "8.0 %"]


def test_a_command_is_timed_and_its_failure_ends_the_script(tmp_path: Path) -> None:
    timed = script("bench_time").timed
    found = timed(["--version"], tmp_path)
    assert found["seconds"] > 0
    assert found["mib"] > 1
    with pytest.raises(SystemExit, match="2"):
        timed(["detect", "--nothing"], tmp_path)


def test_reasons_for_rows_are_held_against_what_was_changed(tmp_path: Path) -> None:
    tables, target = script("reasons_tables"), tmp_path / "reasons.json"
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 5)) + rng.normal(0, 0.1, (400, 5))
    rows = np.concatenate([normal, rng.normal(size=(30, 5)) * 9])
    np.savez(tmp_path / "1_near.npz", X=rows, y=np.repeat([0, 1], [400, 30]))
    tables.main(tmp_path, True, target)
    found = json.loads(target.read_text())["tables"]["1_near"]
    assert found["columns"] == 5
    for kind in ("tail", "relation"):
        assert list(found[kind]) == list(found["tail"])
        assert all(0 <= line["first"] <= line["third"] <= 1 for line in found[kind].values())
        assert found[f"{kind}, repair"]["pass"] == 1
    assert found["anomalies"]["rows"] > 0


def test_speed_is_a_share_of_what_products_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = script("bench")
    monkeypatch.setattr(bench, "EPOCH_FLOPS", 1.0)
    monkeypatch.setattr(bench, "DIMENSIONS", 16)
    monkeypatch.setattr(bench, "SCORED", 2 * bench.CHUNK)
    monkeypatch.setattr(bench, "SINGLE", 3)
    small = load("mnist", ["flow.couplings=2", "flow.layers=1", "flow.width=16"])
    monkeypatch.setattr(bench, "load", lambda _: small)
    for line in (bench.training("a", small, 1), bench.scoring("a", small, 1)):
        assert float(line[-1]) > 0
    assert len(bench.against_one_at_a_time("a", small)) == 6


def test_several_seeds_are_summarised() -> None:
    reproduce = script("reproduce")
    rest = {"versions": {}, "seed": 0, "parameters": 1, "threshold": 0.0, "bits_per_dim": 4.0}
    rest |= {"type_i_interval": (0.0, 1.0), "type_ii_interval": (0.0, 1.0)}
    outcomes = [
        reproduce.Outcome(**rest, **dict.fromkeys(reproduce.SUMMARISED, value))
        for value in (0.3, 0.1, 0.2)
    ]
    found = reproduce.summary(outcomes)
    assert (found["type_i"], found["median"]["type_i"]) == (0.3, 0.2)
    assert found["range"]["type_i"] == [0.1, 0.3]
    assert "median" not in reproduce.summary(outcomes[:1])


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A VAE of digits, which knows them well enough to be measured."""
    path = tmp_path_factory.mktemp("bounds") / "vae"
    small = ["model=vae", "vae.latents=6", "vae.width=32", "train.epochs=3"]
    return learn(builtin("digits"), run=path, overrides=small)


class TestBounds:
    def test_the_linear_model_climbs_to_what_is_known_of_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        linear = script("linear_gaussian")
        monkeypatch.setattr(linear, "TIMES", 2_000)
        found = linear.climb(0, [1, 20])
        one, more = found["bounds"]
        gap = found["log_p"] - one["bound"]
        assert gap == pytest.approx(found["kl"], abs=4 * one["standard_error"])
        assert 0 < found["log_p"] - more["bound"] < 0.5 * gap

    def test_annealing_finds_a_log_likelihood_that_is_known(self) -> None:
        linear = script("linear_gaussian")
        vae = linear.model(0)
        x = vae.sample(20, seed=1).double()
        with torch.no_grad():
            exact = linear.log_p(vae, x).mean()
            loose = torch.stack([vae.bound(x, 1, seed) for seed in range(100)]).mean()
        found, accepted = script("annealed").annealed(vae, x, chains=8, steps=60, seed=0)
        assert exact - loose > 0.5
        assert found.mean().item() == pytest.approx(exact.item(), abs=0.1)
        assert accepted > 0.4

    def test_three_gradients_are_held_side_by_side(
        self, vae: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bounds = script("bounds")
        monkeypatch.setattr(bounds, "GRADIENT_DRAWS", [2, 8])
        few, many = bounds.gradients(vae)["lines"]
        for line in (few, many):
            assert line["reparametrised"] < line["log-derivative"] < line["plain-log-derivative"]
        assert many["reparametrised"] < few["reparametrised"]

    def test_the_same_weights_are_judged_by_another_bound(
        self, vae: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bounds = script("bounds")
        monkeypatch.setitem(bounds.RULES, "certified", bounds.Certified(0.05, 0.95))
        monkeypatch.setattr(bounds, "ODD", "photos")
        one, many = (bounds.loose(vae, draws, NOWHERE) for draws in (1, 32))
        assert one["nats"] < many["nats"]
        assert "VLB^(32)" in many["quantity"]
        for line in (one, many):
            for rule in ("sigma", "certified"):
                low, high = line["errors"][rule]["type_i"]["interval"]
                assert low <= line["errors"][rule]["type_i"]["rate"] <= high
            assert line["errors"]["auroc"] > 0.9


class TestSameAs:
    @pytest.mark.parametrize(
        ("one", "two", "difference"),
        [
            ({"a": [1, 2]}, {"a": [1, 2]}, ""),
            ({"a": [1, 2]}, {"a": [1, 3]}, ".a[1]: 2 and not 3"),
            ({"a": 1.0}, {"a": 1.0 + 1e-12}, ".a: 1.0 and not 1.000000000001"),
            ({"interval": [0.1]}, {"interval": [0.1 + 1e-12]}, ""),
            ({"interval": [0.1]}, {"interval": [0.1 + 1e-9]}, ".interval[0]"),
            ({"a": {"seconds": 1}}, {"a": {"seconds": 2}}, ""),
            ({"a": 1}, {"b": 1}, "top has the keys"),
            ({"a": 1}, {"a": None}, ".a: 1 and not None"),
        ],
    )
    def test_values(self, one: Any, two: Any, difference: str) -> None:
        found = script("same_as").of_values(one, two)
        assert found.startswith(difference)
        assert bool(found) == bool(difference)

    def test_outcomes_of_a_command(self) -> None:
        told_apart = script("same_as").told_apart
        assert told_apart((0, "text", "a"), (0, "other text", "b")) == ""
        assert "exit code 3 and not 0: gone" in told_apart((3, "", "gone"), (0, "", ""))
        assert told_apart((0, "{}", ""), (0, "text", "")) == "JSON and not JSON"

    def test_files(self) -> None:
        of_file = script("same_as").of_file
        assert of_file("a.csv", b"1,2", b"1,3") == "from byte 2 on, of 3 and 3"
        assert of_file("a.csv", b"1", None) == "is written by this alone"
        notes = ['{"a":"1","b":"2"}', '{"b":"2","a":"1"}', '{"a":"1","b":"3"}']
        headers = (f'{{"__metadata__":{note}}}'.encode() for note in notes)
        one, two, other = (len(text).to_bytes(8, "little") + text + b"\0" for text in headers)
        assert of_file("x.safetensors", one, two) == ""
        assert of_file("x.safetensors", one, other) == ".notes.b: 2 and not 3"
        assert of_file("x.safetensors", one, two[:-1] + b"\1") == "from byte 0 on, of 1 and 1"

    @pytest.mark.parametrize(("second", "differ"), [(1, False), (2, True)])
    def test_two_checkouts(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        second: int,
        differ: bool,
    ) -> None:
        """Checkouts of a command that prints a number, and writes it into a file."""
        for name, number in (("this", 1), ("other", second)):
            package = tmp_path / name / "nice_anomaly"
            package.mkdir(parents=True)
            (package / "__init__.py").write_text("")
            (package / "cli.py").write_text(
                "import pathlib\n"
                "def main():\n"
                f"    pathlib.Path('file').write_text('{number}')\n"
                f'    print(\'{{"a": {number}, "seconds": {len(name)}}}\')\n'
            )
        same_as = script("same_as")
        monkeypatch.setattr(same_as, "make_files", lambda _: None)
        with pytest.raises(SystemExit) as stop:
            same_as.main(tmp_path / "other", ["arrays"], tmp_path / "this", NOWHERE)
        assert stop.value.code == int(differ)
        lines = capsys.readouterr().out.splitlines()
        total = len(same_as.split_all(same_as.CASES["arrays"].commands)) + 1  # and the file
        expected = total if differ else 0
        assert lines[-1] == f"{expected} of {total} differ"
        assert sum(line.startswith("DIFFERS") for line in lines) == expected
