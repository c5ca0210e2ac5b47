"""YAML as plain data with its line numbers, refused where YAML would guess or run something."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from miniff.io._text import FileError, read_text

__all__ = ["Key", "YamlFile", "read_yaml"]

MAPPING, LIST = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"
MOST_BYTES = 20_000_000
MOST_REPEATED = 10_000
"""So many parts may stand for others by aliases: a page of them can stand for more than any memory
holds."""

Key = tuple[str, ...]
"""Where something stands: keys, and places in lists from 0."""


@dataclass(frozen=True)
class YamlFile:
    """What a file holds.

    Attributes:
        content: Plain data; None for a file that says nothing.
        first_line: Where it begins, counted from 1.
        lines: The line of each key.
    """

    content: object
    first_line: int
    lines: Mapping[Key, int]


def read_yaml(path: Path, kind: str) -> YamlFile:
    """The content of a file.

    Args:
        path: The file.
        kind: What it is called in refusals, as "a job file".

    Raises:
        FileError: What is no text or no YAML, a key that is given twice, tags that ask for objects;
            with file and line.
        OSError: A file that the system does not give.
    """
    text = read_text(path)
    if len(text) > MOST_BYTES:
        raise FileError(
            f"{path}: there are {len(text) / 1e6:.0f} MB of YAML but {kind} has at most "
            f"{MOST_BYTES / 1e6:.0f}"
        )
    lines: dict[Key, int] = {}
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        content = None if node is None else _Content(path, kind, loader, lines).of(node, ())
    except yaml.YAMLError as error:
        raise FileError(_sentence(path, kind, error)) from None
    except RecursionError:
        raise FileError(f"{path}: not valid YAML: it is nested too deeply") from None
    return YamlFile(content, 1 if node is None else node.start_mark.line + 1, lines)


@dataclass(frozen=True)
class _Content:
    """Turns nodes into plain data, noting lines on the way."""

    path: Path
    kind: str
    loader: yaml.SafeLoader
    lines: dict[Key, int]
    seen: set[int] = field(default_factory=set)
    repeated: list[int] = field(default_factory=list)

    def of(self, node: yaml.Node, key: Key, above: tuple[yaml.Node, ...] = ()) -> object:
        if any(node is one for one in above):
            raise self._refusal(node, "this part of the file contains itself")
        self._count(node)
        above = (*above, node)
        if node.tag == MAPPING and isinstance(node, yaml.MappingNode):
            return self._mapping(node, key, above)
        if node.tag == LIST and isinstance(node, yaml.SequenceNode):
            places = [(*key, str(i)) for i in range(len(node.value))]
            self.lines.update(
                (at, item.start_mark.line + 1) for at, item in zip(places, node.value, strict=True)
            )
            return [self.of(item, at, above) for at, item in zip(places, node.value, strict=True)]
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> object:
        try:
            return self.loader.construct_object(node, deep=True)
        except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as error:
            # a date or number in form only, as 2026-13-01; or a tag that does not fit
            why = str(error) if isinstance(error, ValueError) else f"it does not fit {node.tag}"
            raise self._refusal(node, f"`{node.value!s:.60}` cannot be read: {why}") from None

    def _mapping(
        self, node: yaml.MappingNode, key: Key, above: tuple[yaml.Node, ...]
    ) -> dict[str, object]:
        content: dict[str, object] = {}
        for key_node, value_node in node.value:
            name = self._name(key_node)
            if name in content:
                first = self.lines[(*key, name)]
                raise self._refusal(key_node, f"`{name}` is given twice, first in line {first}")
            self.lines[(*key, name)] = key_node.start_mark.line + 1
            content[name] = self.of(value_node, (*key, name), above)
        return content

    def _name(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._refusal(node, "a key must be a word, but here it is a list or a mapping")
        name = self._scalar(node)
        if not isinstance(name, str):
            raise self._refusal(node, f"the key {name!r:.60} must be a word")
        return name

    def _count(self, node: yaml.Node) -> None:
        if id(node) not in self.seen:
            self.seen.add(id(node))
            return
        self.repeated.append(1)
        if len(self.repeated) > MOST_REPEATED:
            raise self._refusal(node, f"aliases repeat more than {MOST_REPEATED} parts of the file")

    def _refusal(self, node: yaml.Node, sentence: str) -> FileError:
        return FileError(f"{self.path}, line {node.start_mark.line + 1}: {sentence}")


def _sentence(path: Path, kind: str, error: yaml.YAMLError) -> str:
    """What YAML says, in one sentence."""
    mark = getattr(error, "problem_mark", None)
    where = f"{path}, line {mark.line + 1}" if mark is not None else str(path)
    if isinstance(error, yaml.reader.ReaderError):
        return f"{path}: not valid YAML: there is the character #x{error.character:04x}"
    problem = getattr(error, "problem", None) or str(error)
    if "'\\t'" in problem:
        return f"{where}: there is a tab; indent with spaces"
    if "could not determine a constructor" in problem:
        return f"{where}: {kind} holds plain data, but here is a tag: {problem}"
    return f"{where}: not valid YAML: {problem}"
