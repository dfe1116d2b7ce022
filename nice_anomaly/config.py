"""Config: settings read from YAML deltas and overrides of single keys.

A configuration file states only what differs from the defaults in ``settings``. An unknown key, a
wrong type or an impossible value is an error that names the key, and the file or the override that
it was given in.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

import yaml
from pydantic import BaseModel, ValidationError

from nice_anomaly.errors import ConfigError
from nice_anomaly.limits import beyond, limit
from nice_anomaly.settings import Settings
from nice_anomaly.vocabulary import ModelName
from nice_anomaly.words import brief

ALTERNATIVES = {"constrained-int": " (as a number)", "constrained-float": " (as a share)"}
ALIKE = 0.75  # of 1: how much of a name two spellings share
MOST_FAULTS = 10  # are told
MOST_DIGITS, DEEPEST = 100, 20  # of a number; settings are nested twice
TAG = "tag:yaml.org,2002:"
UNUSED = (f"{TAG}timestamp", f"{TAG}merge", f"{TAG}value")
HELD_OUT, NO_FOLDS = {"data.early_stopping", "data.calibration"}, "data.folds=0"
SECTIONS: dict[str, ModelName] = {"flow": "nice", "vae": "vae"}


def available() -> dict[str, Path]:
    """The configurations that come with the package, by name."""
    package = Path(__file__).parent
    folder = package / "configs" if (package / "configs").is_dir() else package.parent / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(config: str, overrides: Sequence[str] | None = None) -> Settings:
    """The settings of a shipped configuration or a YAML file, with ``key.path=value`` on top.

    Raises:
        ConfigError: no such configuration, broken YAML, unknown key, wrong type or impossible
            value; every fault is listed.

    >>> load("mnist", ["train.epochs=1"]).train.epochs
    1
    """
    path = available().get(config, Path(config))
    content = _read(path, config)
    _refuse_idle(content.get("model", "nice"), [(key, str(path)) for key in content])
    given = tuple(overrides or ())
    asked = not HELD_OUT.isdisjoint(map(_key, given))
    for override in (*([NO_FOLDS] if asked else []), *given):
        _apply(content, override)
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        faults = [_fault(dict(item), path, given) for item in error.errors()[:MOST_FAULTS]]
        more = error.error_count() - len(faults)
        faults += [f"There are {more:,} more mistakes."] * (more > 0)
        raise ConfigError(*faults) from error
    _refuse_idle(settings.model, [(_key(override), _said(override)) for override in given])
    return settings


def settings_of(said: Mapping[str, object]) -> list[str]:
    """What arguments said of settings, as overrides of them; None says nothing.

    >>> settings_of({"data.folds": 5, "data.group_column": None, "private": True})
    ['data.folds=5', 'private=true']
    """
    return [f"{key}={json.dumps(value)}" for key, value in said.items() if value is not None]


def _read(path: Path, config: str) -> dict[str, Any]:
    try:
        if not path.is_file():
            raise ConfigError(
                f"there is no configuration '{brief(config, 200)}'. Choose one of "
                f"{', '.join(available())}, or give the path of a YAML file."
            )
        with path.open(encoding="utf-8") as stream:
            text = stream.read(limit("settings") + 1)
    except OSError as error:
        raise ConfigError(f"{brief(path, 200)} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} cannot be read as YAML: it is not UTF-8 text.") from error
    content = _parsed(text, str(path))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold 'key: value' lines, got {type(content).__name__}.")
    return cast(dict[str, Any], content)


def _parsed(text: str, where: str) -> Any:
    """What a YAML text says.

    Raises:
        ConfigError: it is longer than settings are, or no YAML of the kind that settings need.
    """
    if len(text) > limit("settings"):
        raise ConfigError(beyond("settings", None, where))
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ConfigError(f"{where} cannot be read as YAML: {_why(error)}.") from error


def _why(error: Exception) -> str:
    """What is wrong with a YAML text, and where."""
    mark = getattr(error, "problem_mark", None)
    problem = " ".join(getattr(error, name, None) or "" for name in ("context", "problem")).strip()
    place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    return f"{brief(problem or error, 200)}{place}"


def _apply(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if len(override) > limit("settings"):
        raise ConfigError(beyond("settings", None, _said(override)))
    if not equals or not all(key.strip().split(".")):
        raise ConfigError(f"`overrides` takes key.path=value, got '{brief(override)}'.")
    *parents, last = key.strip().split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
        if not isinstance(content, dict):
            raise ConfigError(
                f"{_said(override)}: {brief(parent)} is a value, not a group of settings."
            )
    try:
        content[last] = _parsed(text, _said(override))
    except ConfigError as error:
        raise ConfigError(f"{_said(override)}: the value is not valid YAML.") from error


def _key(override: str) -> str:
    return override.partition("=")[0].strip()


def _said(override: str) -> str:
    """An override as it was given; the seed has an argument of its own."""
    if re.fullmatch(r"seed=-?\d+", override):
        return f"`{override}`"
    return f"`overrides={[brief(override)]!r}`"


def _refuse_idle(model: str, given: Sequence[tuple[str, str]]) -> None:
    """Raises ConfigError for keys, each with its source, of a model that is not the one."""
    for key, source in given:
        section = key.split(".")[0]
        owner = SECTIONS.get(section, model)
        if owner != model:
            raise ConfigError(
                f"{source}: settings of '{section}' have no effect, the model is "
                f"'{brief(model)}'. Give `overrides=['model={owner}']` too, or leave it away."
            )


def _fault(item: dict[str, Any], path: Path, overrides: Sequence[str]) -> str:
    """What is wrong with a setting, after the file or the override that it was given in."""
    parts = [str(part) for part in item["loc"]]
    key = ".".join(part for part in parts if part not in ALTERNATIVES)
    guilty = [one for one in overrides if _within(key, _key(one)) or _within(_key(one), key)][-1:]
    if not key:  # several settings together: the sentence names them
        sentence = f"{item['ctx']['error'] if item['type'] == 'value_error' else item['msg']}."
        guilty = [one for one in overrides if re.search(rf"\b{re.escape(_key(one))}\b", sentence)]
    elif item["type"] == "extra_forbidden":
        sentence = _unknown(max([key, *map(_key, guilty)], key=len))
    else:
        wrong = "is a group of settings" if item["type"] == "model_type" else item["msg"]
        name = "".join([key, *(ALTERNATIVES.get(part, "") for part in parts)])
        got = brief(repr(item["input"]))
        sentence = f"{brief(name)} {wrong.removeprefix('Input ')}, got {got}."
    return f"{', '.join(map(_said, guilty)) or path}: {sentence}"


def _within(key: str, group: str) -> bool:
    return f"{key}.".startswith(f"{group}.")


def _unknown(key: str) -> str:
    """That there is no such setting, and which may be meant.

    That is one of nearly that name in its group, or else one of that name in another.
    """
    known = [*_known(Settings)]
    section, _, last = key.rpartition(".")
    here = [name for name in known if name.rpartition(".")[0] == section]
    for names, alike in ((here, ALIKE), (known, 1.0 if section and here else ALIKE)):
        found = difflib.get_close_matches(last, [*map(_last, names)], 1, alike)
        near = [name for name in names if found == [_last(name)]]
        if near:
            return f"there is no setting {brief(key)}. Did you mean {' or '.join(near)}?"
    return f"there is no setting {brief(key)}. Known: {', '.join(here or Settings.model_fields)}."


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _known(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The names of all settings and of their groups."""
    for name, field in section.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _known(field.annotation, f"{prefix}{name}.")


class _Loader(yaml.SafeLoader):
    """The part of YAML 1.2 that settings need: names with numbers, truths, texts and lists.

    A key is a text that is given once, 1e-3 is a number and a date a text. Tags, aliases and what
    is nested or written at great length are refused: they cost more than they can say.
    """

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A node, refused where it has a tag, is an alias, or lies too deep."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            _refuse("an alias (*) is not read here: write the value out", event)
        if getattr(event, "tag", None) is not None:
            _refuse("a tag (!) is not read here", event)
        if self._depth == DEEPEST:
            _refuse("it is nested too deep", event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, refused if a key is no text, or is given twice."""
        seen = set()
        for place, _ in node.value:
            key = self.construct_object(place, deep=True)
            if not isinstance(key, str):
                _refuse("a key has to be the name of a setting", place)
            if key in seen:
                _refuse(f"the key '{brief(key)}' is given twice", node)
            seen.add(key)
        return cast(dict[Any, Any], super().construct_mapping(node, deep))

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """A whole number."""
        return cast(int, self._number(node, super().construct_yaml_int))

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        """A number."""
        return cast(float, self._number(node, super().construct_yaml_float))

    def _number(self, node: yaml.ScalarNode, construct: Callable[[Any], Any]) -> Any:
        if len(node.value) > MOST_DIGITS:
            _refuse(f"a number has {len(node.value):,} digits", node)
        try:
            return construct(node)
        except (ValueError, OverflowError):
            _refuse(f"'{node.value}' is no number", node)


def _refuse(why: str, at: Any) -> NoReturn:
    raise yaml.constructor.ConstructorError(None, None, why, at.start_mark)


for _kind in ("int", "float"):
    _Loader.add_constructor(f"{TAG}{_kind}", getattr(_Loader, f"construct_yaml_{_kind}"))
_Loader.yaml_implicit_resolvers = {
    sign: [(tag, form) for tag, form in forms if tag not in UNUSED]
    for sign, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    f"{TAG}float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
