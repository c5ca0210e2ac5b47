"""Job files: YAML read with its line numbers, refused where YAML would guess.

A job file is a mapping: workflow name -> section (``init``, ``prepare``, ``run``) -> key -> value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

__all__ = ["Job", "JobError", "Key", "job_from_mapping", "read_job_file"]


class JobError(ValueError):
    """A job that cannot be run; the message lists all that is wrong with it."""


MAPPING, LIST = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"
Key = tuple[str, ...]
"""Where something stands: workflow, section, key; within it keys, and places in lists from 0."""


@dataclass(frozen=True)
class Job:
    """What a job file says, before it is checked.

    Attributes:
        source: The file's name.
        workflows: Content as it stands in the file, in its order.
        lines: The line of each key, counted from 1.
    """

    source: str
    workflows: Mapping[str, object]
    lines: Mapping[Key, int] = field(default_factory=dict)

    def at(self, key: Key) -> str:
        """Words for where a key stands, or the nearest key around it that does."""
        while key and key not in self.lines:
            key = key[:-1]
        return f"{self.source}, line {self.lines[key]}" if key else self.source


def job_from_mapping(description: Mapping[str, object]) -> Job:
    """A job written in Python; it has no lines."""
    if not isinstance(description, Mapping):
        raise JobError(
            f"a job is {description!r:.80} but must be a mapping of workflows; `run_job_file` runs "
            "those of a file"
        )
    return Job("job", dict(description))


def read_job_file(path: str | Path) -> Job:
    """A job file.

    Raises:
        FileNotFoundError: There is no such file.
        JobError: A file that is not YAML, is not a mapping, has a key twice, or asks for objects.
    """
    source = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise JobError(f"{source} is not a text file in UTF-8") from None
    except IsADirectoryError:
        raise JobError(f"{source} is a folder but must be a job file") from None
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise JobError(f"{source} is empty but must name at least one workflow")
        if not isinstance(node, yaml.MappingNode):
            raise JobError(f"{_line(source, node)}: a job file must be a mapping of workflows")
        lines: dict[Key, int] = {}
        content = _Content(source, loader, lines).of(node, ())
    except yaml.YAMLError as error:
        raise JobError(_yaml_error(source, error)) from None
    finally:
        loader.dispose()
    assert isinstance(content, dict)
    return Job(source, content, lines)


def _line(source: str, node: yaml.Node) -> str:
    return f"{source}, line {node.start_mark.line + 1}"


@dataclass(frozen=True)
class _Content:
    """Turns nodes into plain data, noting lines on the way."""

    source: str
    loader: yaml.SafeLoader
    lines: dict[Key, int]

    def of(self, node: yaml.Node, key: Key, above: tuple[yaml.Node, ...] = ()) -> object:
        if any(node is one for one in above):
            raise JobError(f"{_line(self.source, node)}: this part of the job contains itself")
        above = (*above, node)
        if node.tag == MAPPING and isinstance(node, yaml.MappingNode):
            return self._mapping(node, key, above)
        if node.tag == LIST and isinstance(node, yaml.SequenceNode):
            places = [(*key, str(i)) for i in range(len(node.value))]
            self.lines.update(
                (at, item.start_mark.line + 1) for at, item in zip(places, node.value, strict=True)
            )
            return [self.of(item, at, above) for at, item in zip(places, node.value, strict=True)]
        try:
            return self.loader.construct_object(node, deep=True)
        except ValueError as error:  # a date or number in form only, as 2026-13-01
            what = f"{_line(self.source, node)}: `{node.value}` cannot be read: {error}"
            raise JobError(what) from None

    def _mapping(
        self, node: yaml.MappingNode, key: Key, above: tuple[yaml.Node, ...]
    ) -> dict[str, object]:
        content: dict[str, object] = {}
        for key_node, value_node in node.value:
            name = self._name(key_node)
            if name in content:
                first = self.lines[(*key, name)]
                raise JobError(
                    f"{_line(self.source, key_node)}: `{name}` is given twice, "
                    f"first in line {first}"
                )
            self.lines[(*key, name)] = key_node.start_mark.line + 1
            content[name] = self.of(value_node, (*key, name), above)
        return content

    def _name(self, node: yaml.Node) -> str:
        name = self.of(node, ())
        if not isinstance(name, str):
            raise JobError(f"{_line(self.source, node)}: the key {name!r} must be a word")
        return name


def _yaml_error(source: str, error: yaml.YAMLError) -> str:
    """What YAML says, in one sentence."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    where = f"{source}, line {mark.line + 1}" if mark is not None else source
    if "'\\t'" in problem:
        return f"{where}: there is a tab; indent with spaces"
    if "could not determine a constructor" in problem:
        return f"{where}: a job file holds plain data, but here is a tag: {problem}"
    return f"{where}: not valid YAML: {problem}"
