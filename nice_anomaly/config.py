"""Config: settings read from YAML deltas and overrides of single keys.

A configuration file states only what differs from the defaults in ``settings``. An unknown key, a
wrong type or an impossible value is an error that names the file and the key.
"""

import re
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import BaseModel, ValidationError

from nice_anomaly.errors import ConfigError
from nice_anomaly.settings import Settings
from nice_anomaly.vocabulary import ModelName

ALTERNATIVES = {"constrained-int": " (as a number)", "constrained-float": " (as a share)"}
SECTIONS: dict[str, ModelName] = {"flow": "nice", "vae": "vae"}


def available() -> dict[str, Path]:
    """The configurations that come with the package, by name."""
    package = Path(__file__).parent
    folder = package / "configs" if (package / "configs").is_dir() else package.parent / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(config: str, overrides: list[str] | None = None) -> Settings:
    """The settings of a shipped configuration or a YAML file, with ``key.path=value`` on top.

    Raises:
        ConfigError: no such configuration, broken YAML, unknown key, wrong type or value.

    >>> load("mnist", ["train.epochs=1"]).train.epochs
    1
    """
    path = available().get(config, Path(config))
    content = _read(path, config)
    own = [f"{section}: in {path}" for section in content if section in SECTIONS]
    _refuse_idle(content.get("model", "nice"), own)
    for override in overrides or []:
        _apply(content, override)
    source = f"configuration {path}{' with `overrides`' if overrides else ''}"
    settings = validate(content, source)
    _refuse_idle(settings.model, overrides or [])
    return settings


def validate(content: dict[str, Any], source: str) -> Settings:
    """Settings from plain values; ``source`` is named in errors.

    Raises:
        ConfigError: unknown key, wrong type or impossible value; every fault is listed.
    """
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        faults = "\n".join(f"  {_fault(dict(item))}" for item in error.errors())
        raise ConfigError(f"{source} is not valid:\n{faults}") from error


def _read(path: Path, config: str) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(
            f"there is no configuration '{config}'. Choose one of {', '.join(available())}, "
            f"or give the path of a YAML file."
        )
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {error}") from error
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
            raise ConfigError(f"{override}: '{parent}' is a value, not a group of settings.")
    try:
        content[last] = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{override}: the value is not valid YAML.") from error


def _refuse_idle(model: str, given: list[str]) -> None:
    """Raises ConfigError for settings of a model that is not the one."""
    for setting in given:
        section = re.split(r"[.=:]", setting)[0].strip()
        owner = SECTIONS.get(section, model)
        if owner != model:
            raise ConfigError(
                f"{setting}: settings of '{section}' have no effect, the model is '{model}'. Set "
                f"`overrides=['model={owner}']` too, or leave it away."
            )


def _fault(item: dict[str, Any]) -> str:
    parts = [ALTERNATIVES.get(str(part), f".{part}") for part in item["loc"]]
    key = "".join(parts).removeprefix(".") or "(whole file)"
    if item["type"] == "value_error":  # of several keys together: it names them
        return f"{item['ctx']['error']}."
    if item["type"] == "extra_forbidden":
        return f"{key}: unknown key. Known: {', '.join(_known_keys(item['loc'][:-1]))}."
    return f"{key}: {item['msg'][0].lower()}{item['msg'][1:]}, got {item['input']!r}."


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    section: type[BaseModel] = Settings
    for part in location:
        section = cast(type[BaseModel], section.model_fields[str(part)].annotation)
    return list(section.model_fields)


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
