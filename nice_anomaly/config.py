"""Config: settings read from YAML deltas and overrides of single keys.

A configuration file states only what differs from the defaults in ``settings``. An unknown key, a
wrong type or an impossible value is an error that names the key, and the file or the override that
it was given in.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import BaseModel, ValidationError

from nice_anomaly.errors import ConfigError
from nice_anomaly.settings import Settings
from nice_anomaly.vocabulary import ModelName

ALTERNATIVES = {"constrained-int": " (as a number)", "constrained-float": " (as a share)"}
ALIKE = 0.75  # of 1: how much of a name two spellings share
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
    for override in given:
        _apply(content, override)
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        faults = (_fault(dict(item), path, given) for item in error.errors())
        raise ConfigError(*faults) from error
    _refuse_idle(settings.model, [(_key(override), _said(override)) for override in given])
    return settings


def _read(path: Path, config: str) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(
            f"there is no configuration '{config}'. Choose one of {', '.join(available())}, "
            f"or give the path of a YAML file."
        )
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        why = " ".join(str(error).split())
        raise ConfigError(f"{path} cannot be read as YAML: {why}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold 'key: value' lines, got {type(content).__name__}.")
    return cast(dict[str, Any], content)


def _apply(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"`overrides` takes key.path=value, got '{override}'.")
    *parents, last = key.strip().split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
        if not isinstance(content, dict):
            raise ConfigError(f"{_said(override)}: {parent} is a value, not a group of settings.")
    try:
        content[last] = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{_said(override)}: the value is not valid YAML.") from error


def _key(override: str) -> str:
    return override.partition("=")[0].strip()


def _said(override: str) -> str:
    """An override as it was given; the seed has an argument of its own."""
    if re.fullmatch(r"seed=-?\d+", override):
        return f"`{override}`"
    return f"`overrides={[override]!r}`"


def _refuse_idle(model: str, given: Sequence[tuple[str, str]]) -> None:
    """Raises ConfigError for keys, each with its source, of a model that is not the one."""
    for key, source in given:
        section = key.split(".")[0]
        owner = SECTIONS.get(section, model)
        if owner != model:
            raise ConfigError(
                f"{source}: settings of '{section}' have no effect, the model is '{model}'. Give "
                f"`overrides=['model={owner}']` too, or leave it away."
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
        sentence = _unknown(_key(guilty[0]) if guilty else key)
    else:
        wrong = "is a group of settings" if item["type"] == "model_type" else item["msg"]
        name = "".join([key, *(ALTERNATIVES.get(part, "") for part in parts)])
        sentence = f"{name} {wrong.removeprefix('Input ')}, got {item['input']!r}."
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
            return f"there is no setting {key}. Did you mean {' or '.join(near)}?"
    return f"there is no setting {key}. Known: {', '.join(here or Settings.model_fields)}."


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _known(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The names of all settings and of their groups."""
    for name, field in section.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _known(field.annotation, f"{prefix}{name}.")


class _Loader(yaml.SafeLoader):
    """YAML 1.2 on two points where PyYAML surprises: 1e-3 is a number, keys are unique."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, refused if a key is given twice."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is given twice", node.start_mark
                )
        return cast(dict[Any, Any], super().construct_mapping(node, deep))


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
