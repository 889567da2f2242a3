"""YAML that remembers file, line and column of every key and value, and leaves typing to its reader.

Reads PyYAML's events and not its values: YAML 1.1 would make `22:22` a number in base 60, `010` eight
and `on` true, and would keep the last of two equal keys.
"""

from __future__ import annotations

import codecs
import hashlib
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import yaml

from router.config.findings import Findings, Related
from router.config.nodes import Entry, Items, Mapping, Node, Scalar
from router.errors import Source

MAX_BYTES = 1024 * 1024
"""Some ten thousand routes, which PyYAML reads in two seconds."""

MAX_DEPTH = 32
"""The deepest place that means anything is at five."""

_NO_FILES = MappingProxyType(
    {
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
)

_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What YAML 1.1 counts as a line break (section 4.2): lines must be cut where PyYAML counts them."""

_UNUSABLE = re.compile("[\x00\ud800-\udfff]")
"""What an escape in double quotes can make, and no file, header or host may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file: its lines as written, and its root where it could be read."""

    file: str
    lines: tuple[str, ...] = ()
    digest: str = ""
    root: Node | None = None


def read(path: str | Path, findings: Findings) -> Document:
    """Reads a file; what is wrong with it goes to `findings`, and then `root` may be None."""
    file = str(path)
    try:
        _judge_kind(stat.S_IFMT(Path(path).stat().st_mode))
        with Path(path).open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        hint = "name the file with -c" if isinstance(error, FileNotFoundError) else ""
        findings.add("S001", f"cannot read {file!r}: {reason}", Source(file=file, line=1), fix=hint)
        return Document(file=file)
    if len(content) > MAX_BYTES:
        findings.add("S001", f"{file} is larger than {MAX_BYTES} bytes", Source(file=file, line=1))
        return Document(file=file)
    return parse(content, file=file, findings=findings)


def _judge_kind(kind: int) -> None:
    # Before it is opened: a named pipe would wait for its writer, for ever and without a word.
    if kind in _NO_FILES:
        raise ValueError(f"it is {_NO_FILES[kind]}, not a regular file")


def parse(content: bytes, *, file: str, findings: Findings) -> Document:
    """Reads the bytes of a file; raises nothing, whatever they are."""
    digest = hashlib.sha256(content).hexdigest()[:6]
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        findings.add(
            "S002",
            f"byte 0x{content[error.start]:02x} is not UTF-8 here",
            _behind(content[: error.start].decode("utf-8"), file),
            fix="save the file as UTF-8",
        )
        shown = content.decode("utf-8", "replace")
        return Document(file=file, lines=tuple(_BREAKS.split(shown)), digest=digest)
    lines = tuple(_BREAKS.split(text))
    root = _Builder(file, lines, findings).build(text)
    return Document(file=file, lines=lines, digest=digest, root=root)


def _behind(text: str, file: str) -> Source:
    """The place of what comes next after that text."""
    lines = _BREAKS.split(text)
    return Source(file=file, line=len(lines), column=len(lines[-1]) + 1)


class _Refused(Exception):
    """The rest of the file cannot be read; the finding has been added."""


class _Builder:
    """Turns the events of one file into nodes."""

    __slots__ = ("_events", "_file", "_findings", "_lines")

    def __init__(self, file: str, lines: tuple[str, ...], findings: Findings) -> None:
        self._file = file
        self._lines = lines
        self._findings = findings
        self._events: Iterator[yaml.Event] = iter(())

    def build(self, text: str) -> Node | None:
        """The root of the first document, or None if there is none that can be read."""
        try:
            self._events = yaml.parse(text, Loader=yaml.SafeLoader)
            return self._document()
        except yaml.MarkedYAMLError as error:
            self._malformed(error)
        except yaml.reader.ReaderError as error:
            self._findings.add(
                "S002",
                f"the character U+{ord(text[error.position]):04X} is not allowed in YAML",
                _behind(text[: error.position], self._file),
                fix="remove it",
            )
        except (ValueError, OverflowError):
            # PyYAML gives `\UFFFFFFFF` to chr() as it is, and does not say where it stood.
            self._findings.add(
                "S003",
                "an escape in double quotes is no character",
                Source(file=self._file, line=1),
                fix="put patterns in single quotes",
            )
        except _Refused:
            pass
        return None

    def _document(self) -> Node | None:
        next(self._events)
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            self._empty()
            return None
        root = self._node(next(self._events), 0)
        next(self._events)
        more = next(self._events)
        if not isinstance(more, yaml.StreamEndEvent):
            self._findings.add(
                "S005",
                "a second document begins here",
                self._at(more),
                fix="remove the line `---` and what follows",
            )
            raise _Refused
        if isinstance(root, Scalar) and root.is_null:
            self._empty()
            return None
        return root

    def _empty(self) -> None:
        self._findings.add(
            "S004",
            "there is nothing in this file",
            Source(file=self._file, line=1),
            fix="begin with `upstreams:` and `routes:`",
        )

    def _node(self, event: yaml.Event, depth: int) -> Node:
        self._refuse_sharing(event)
        if depth > MAX_DEPTH:
            self._findings.add("S003", f"nested more than {MAX_DEPTH} deep", self._at(event))
            raise _Refused
        if isinstance(event, yaml.SequenceStartEvent):
            return self._items(event, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, depth)
        return self._scalar(event)

    def _items(self, start: yaml.SequenceStartEvent, depth: int) -> Items:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return Items(items=tuple(items), source=self._span(start, event))

    def _mapping(self, start: yaml.MappingStartEvent, depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if not isinstance(key, Scalar) or key.is_null:
                self._findings.add("S009", "a key is a single word", key.source)
            elif key.text == "<<" and not key.quoted:
                self._findings.add(
                    "S006", "merge keys are not used here", key.source, fix="write the keys out in full"
                )
            elif key.text in entries:
                first = entries[key.text].key.source
                self._findings.add(
                    "S007",
                    f"`{key.text}` is written twice",
                    key.source,
                    related=(Related(source=first, note="first written here"),),
                    fix="keep one of them",
                )
            else:
                entries[key.text] = Entry(key=key, value=value)
        return Mapping(entries=tuple(entries.values()), source=self._span(start, event))

    def _scalar(self, event: yaml.Event) -> Scalar:
        assert isinstance(event, yaml.ScalarEvent)  # noqa: S101 - no other event is left
        source = self._at(event)
        wrong = _UNUSABLE.search(event.value)
        if wrong:
            self._findings.add(
                "S002",
                f"the character U+{ord(wrong[0]):04X} is in no path, name or address",
                source,
                fix="remove it",
            )
        quoted = event.style is not None
        start = source.column + (1 if quoted else 0)
        line = self._lines[source.line - 1]
        stands_there = bool(event.value) and line.startswith(event.value, start - 1)
        return Scalar(
            text=event.value, source=source, quoted=quoted, verbatim=start if stands_there else None
        )

    def _refuse_sharing(self, event: yaml.Event) -> None:
        """Adds a finding for an anchor, an alias or a tag, and stops where a value is missing for it."""
        if isinstance(event, yaml.AliasEvent):
            self._findings.add(
                "S006",
                f"`*{event.anchor}` is a YAML alias",
                self._at(event),
                fix="write the value out; put quotes around it if it is meant as text",
            )
            raise _Refused
        if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            return
        if event.anchor is not None:
            self._findings.add(
                "S006",
                f"`&{event.anchor}` is a YAML anchor",
                self._at(event),
                fix="remove it; put quotes around the value if it is meant as text",
            )
        if event.tag is not None:
            self._findings.add(
                "S006",
                f"`{event.tag}` is a YAML tag",
                self._at(event),
                fix="remove it; put quotes around the value if it is meant as text",
            )

    def _malformed(self, error: yaml.MarkedYAMLError) -> None:
        problem = error.problem or "the structure is broken"
        mark = error.problem_mark or error.context_mark
        place = self._place(mark)
        context = f" ({error.context})" if error.context else ""
        related: tuple[Related, ...] = ()
        if error.context_mark and self._place(error.context_mark).line != place.line:
            related = (Related(source=self._place(error.context_mark), note="begins here"),)
        self._findings.add(
            "S003",
            f"{problem}{context}",
            place,
            fix=_advice(problem, self._lines[place.line - 1], place.column),
            related=related,
        )

    def _place(self, mark: yaml.error.Mark | yaml._yaml.Mark | None) -> Source:
        if mark is None:
            return Source(file=self._file, line=1)
        line = min(mark.line, len(self._lines) - 1)
        return Source(file=self._file, line=line + 1, column=mark.column + 1)

    def _at(self, event: yaml.Event) -> Source:
        return self._span(event, event)

    def _span(self, first: yaml.Event, last: yaml.Event) -> Source:
        """From where `first` begins to where `last` ends, or to the end of that line."""
        place, end = self._place(first.start_mark), self._place(last.end_mark)
        if end.line == place.line:
            length = end.column - place.column
        else:
            length = len(self._lines[place.line - 1].rstrip()) - place.column + 1
        return Source(file=place.file, line=place.line, column=place.column, length=max(length, 1))


def _advice(problem: str, line: str, column: int) -> str:
    """What most likely led to a problem of PyYAML's, by its words and the text at its place."""
    if "\t" in line[: column + 1] or "\\t" in problem:
        return "indent with spaces: YAML takes no tabs there"
    if "unknown escape character" in problem:
        return "put patterns in single quotes: in double quotes a backslash belongs to YAML"
    if "sequence entries are not allowed" in problem:
        return "put quotes around a lone `-`, or the list on the next line"
    if "mapping values are not allowed" in problem:
        return "check the indentation, and put quotes around a value that holds `: `"
    if "cannot start any token" in problem or "did not find expected" in problem or "expected" in problem:
        return "put patterns in single quotes, and check brackets and indentation"
    return "put quotes around values with special characters, and check the indentation"
