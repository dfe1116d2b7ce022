"""Settings: every shipped file loads, every mistake is named."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

from nice_anomaly.config import available, load
from nice_anomaly.data import BUILTIN
from nice_anomaly.errors import ConfigError
from nice_anomaly.flow import PRIORS
from nice_anomaly.networks import ACTIVATIONS
from nice_anomaly.scores.image_features import VIEWS
from nice_anomaly.settings import CalibrateSettings, Settings
from nice_anomaly.thresholds import RULES
from nice_anomaly.vocabulary import Activation, PriorName, RuleName, ScoreName, SettingRule

SHIPPED = [
    *(
        "breast-cancer",
        "digits",
        "fashion",
        "images",
        "mnist",
        "mnist-large",
        "paper",
        "table",
        "vae",
    )
]


def test_the_shipped_configurations_are_these() -> None:
    assert sorted(available()) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_configuration_is_valid_and_names_a_set_to_learn(name: str) -> None:
    assert BUILTIN[load(name).data.normal].trainable


def test_the_default_configuration_states_the_defaults() -> None:
    """Its file gives every number with its reason; the program's own defaults are the same."""
    assert load("mnist") == Settings()


def test_the_paper_configuration_is_the_network_of_2014() -> None:
    flow = load("paper").flow
    assert (flow.couplings, flow.layers, flow.width) == (4, 5, 1000)
    assert (flow.prior, flow.activation) == ("logistic", "relu")


NAMES: dict[str, tuple[Any, Iterable[str]]] = {  # what may be written, and what is known by it
    "priors": (PriorName, PRIORS),
    "activations": (Activation, ACTIVATIONS),
    "scores": (ScoreName, ["likelihood", *VIEWS]),
    "rules": (RuleName, RULES),
    "rules whose numbers are settings": (
        SettingRule,
        [
            name
            for name, rule in RULES.items()
            if {field.name for field in fields(rule)} <= set(CalibrateSettings.model_fields)  # type: ignore[arg-type]
        ],
    ),
}


@pytest.mark.parametrize("kind", NAMES)
def test_every_name_that_may_be_written_is_known_and_the_other_way_round(kind: str) -> None:
    written, known = NAMES[kind]
    assert sorted(get_args(written)) == sorted(known)


def test_overrides_go_on_top_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("train:\n  epochs: 3\n  learning_rate: 1e-3\n")
    settings = load(str(file), ["train.epochs=5", "data.normal=digits", "seed=7"])
    assert (settings.train.epochs, settings.data.normal, settings.seed) == (5, "digits", 7)
    assert settings.train.learning_rate == 0.001
    assert settings.train.batch_size == Settings().train.batch_size


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert load(str(tmp_path / "empty.yaml")) == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train:\n  epoch: 3", "there is no setting train.epoch. Did you mean train.epochs?"),
        ("trian: {}", "there is no setting trian. Did you mean train?"),
        (
            "train:\n  velocity: 3",
            "train.velocity. Known: train.epochs, train.fold_epochs, train.least_steps",
        ),
        (
            "velocity: 3",
            "velocity. Known: seed, private, neighbours, model, data, flow, vae, train, calibrate.",
        ),
        ("train:\n  epochs: many", "train.epochs should be a valid integer, got 'many'"),
        ("train:\n  epochs: 2.5", "train.epochs should be a valid integer, got 2.5"),
        ("train:\n  epochs: true", "train.epochs should be a valid integer, got True"),
        ("train:\n  epochs: 0", "train.epochs should be greater than or equal to 1, got 0"),
        ("train:\n  learning_rate: .nan", "train.learning_rate should be a finite number"),
        ("train:\n  learning_rate: -1", "train.learning_rate should be greater than 0, got -1"),
        ("flow:\n  prior: cauchy", "flow.prior should be 'logistic', 'gaussian',"),
        ("seed: -1", "seed should be greater than or equal to 0"),
        ("vae:\n  width: 3", "settings of 'vae' have no effect, the model is 'nice'"),
        ("train:\n  draws: 3", "train.gradient and train.draws are for a model that draws"),
        ("seed: 1\nseed: 2", "the key 'seed' is given twice"),
        ("flow: 3", "flow is a group of settings, got 3."),
        ("- a\n- b", "must hold 'key: value' lines, got list"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load(str(file), ["train.patience=5"])  # which has no part in it
    assert str(caught.value).startswith(str(file))
    assert "overrides" not in str(caught.value).split(". Give ")[0]


def test_every_mistake_is_listed_after_what_it_is_in(tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text("train:\n  epochs: 0\n  patience: x\n")
    with pytest.raises(ConfigError) as caught:
        load(str(file), ["train.patience=y", "train.warmup=2", "flow.couplings=4"])
    assert str(caught.value).splitlines() == [
        f"{file}: train.epochs should be greater than or equal to 1, got 0.",
        "`overrides=['train.warmup=2']`: train.warmup should be less than 1, got 2.",
        "`overrides=['train.patience=y']`: train.patience should be a valid integer, got 'y'.",
    ]


OVERRIDES = {
    "epochs": "`overrides` takes key.path=value, got 'epochs'.",
    "=3": "`overrides` takes key.path=value, got '=3'.",
    "train.epochs.x=3": "{}: epochs is a value, not a group of settings.",
    "train.epochs=[": "{}: the value is not valid YAML.",
    "train=3": "{}: train is a group of settings, got 3.",
    "train.epoch=3": "{}: there is no setting train.epoch. Did you mean train.epochs?",
    "epochs=3": "{}: there is no setting epochs. Did you mean train.epochs?",
    "epoch=3": "{}: there is no setting epoch. Did you mean train.epochs?",
    "training.epochs=3": "{}: there is no setting training.epochs. Did you mean train.epochs?",
    "data.epochs=3": "{}: there is no setting data.epochs. Did you mean train.epochs?",
    "width=3": "{}: there is no setting width. Did you mean flow.width or vae.width?",
    "calibrate.speed=3": "{}: there is no setting calibrate.speed. Known: calibrate.score, "
    "calibrate.rule, calibrate.k, calibrate.alpha, calibrate.confidence, calibrate.tail.",
    "train.epochs=x": "{}: train.epochs should be a valid integer, got 'x'.",
    "seed=-1": "`seed=-1`: seed should be greater than or equal to 0, got -1.",
    "vae.width=3": "{}: settings of 'vae' have no effect, the model is 'nice'. Give "
    "`overrides=['model=vae']` too, or leave it away.",
    "train.draws=2": "{}: train.gradient and train.draws are for a model that draws: set model to "
    "vae.",
    "data.calibration=0": "{0}: data.calibration (as a number) should be greater than or equal "
    "to 1, got 0.\n{0}: data.calibration (as a share) should be greater than 0, got 0.",
}


@pytest.mark.parametrize("override", OVERRIDES)
def test_a_mistake_in_an_override_is_blamed_on_it(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load("mnist", ["train.epochs=2", override])
    assert str(caught.value) == OVERRIDES[override].format(f"`overrides=[{override!r}]`")


def test_an_unknown_configuration_lists_the_shipped() -> None:
    with pytest.raises(ConfigError, match="Choose one of breast-cancer, digits"):
        load("imagenet")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        load(str(tmp_path / "binary.yaml"))


HOSTILE = {
    "a date": ("seed: 2024-01-01", "seed should be a valid integer, got '2024-01-01'"),
    "no date": ("seed: 2024-13-45", "got '2024-13-45'"),
    "a date as a key": ("2024-01-01: 3", "there is no setting 2024-01-01"),
    "many digits": ("seed: " + 5_001 * "9", "a number has 5,001 digits"),
    "many digits to another base": ("seed: 0x" + 5_001 * "f", "a number has 5,003 digits"),
    "no digits": ("seed: 0x_", "'0x_' is no number"),
    "deep lists": (5_000 * "[", "it is nested too deep"),
    "deep mappings": (5_000 * "{a: ", "it is nested too deep"),
    "deep lines": (5_000 * "- " + "x", "it is nested too deep"),
    "many keys": ("\n".join(f"k{i}: 1" for i in range(9_999)), "There are 9,989 more mistakes"),
    "aliases of aliases": ("a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]", "an alias (*) is not read"),
    "what holds itself": ("a: &a [*a]", "an alias (*) is not read"),
    "a tag": ("seed: !!python/object/apply:os.getpid []", "a tag (!) is not read"),
    "a set": ("seed: !!set {a, b}", "a tag (!) is not read"),
    "a key that is no number": (".nan: 1", "a key has to be the name of a setting"),
    "a key that is a list": ("? [a, b]\n: 1", "a key has to be the name of a setting"),
    "a key that is nothing": ("? \n: 1", "a key has to be the name of a setting"),
    "a sign that is none": ("seed: 1\0", "special characters are not allowed"),
    "a sign that cannot be": (r'seed: "\UFFFFFFFF"', "cannot be read as YAML"),
    "an escape": (r'"\e[31m\n": 1', r"there is no setting \x1b[31m."),
    "a long text": ("# " + 100_000 * "x", "more than 100,000 characters in a settings file"),
    "another encoding": ("seed: 1".encode("utf-16"), "is not UTF-8 text"),
    "two documents": ("seed: 1\n---\nseed: 2", "expected a single document"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_no_text_of_settings_does_harm(tmp_path: Path, case: str) -> None:
    text, sentence = HOSTILE[case]
    (tmp_path / "t.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(str(tmp_path / "t.yaml"))
    said = str(caught.value)
    assert sentence in said
    assert said.startswith(str(tmp_path))
    assert len(said) < 3_000
    assert all(line.isprintable() for line in said.splitlines())
    if isinstance(text, str):
        with pytest.raises(ConfigError, match="overrides") as caught:
            load("mnist", [f"seed={text}"])
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("config", ["/dev/zero", "/dev", "a\0b", 5_000 * "x"])
def test_no_place_of_settings_does_harm(config: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no configuration|cannot be read"):
        load(config)


@pytest.mark.parametrize("key", ["", ".", "train.", 9_999 * "a.", 99_999 * "a", "\x1b[31m", "a\nb"])
def test_no_name_of_a_setting_does_harm(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load("mnist", [f"{key}=1"])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
