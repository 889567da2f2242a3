"""The `routes:` of the file: one `Route` for each pattern, in the file's order."""

from __future__ import annotations

from types import MappingProxyType

from router.config.actions import ACTIONS, Action, read_answer
from router.config.facts import read_condition
from router.config.fields import Fields, mapping, one_or_more
from router.config.findings import Findings, Related, suggest
from router.config.nodes import Items, Mapping, Node, Scalar
from router.config.patterns import check_pattern
from router.config.protocols import protocols
from router.config.upstreams import is_name, name
from router.config.values import choice, kind_of, seconds, short, size, word
from router.errors import Source
from router.request import METHODS, NEVER_PROXIED
from router.table import (
    UNMATCHED,
    Condition,
    PathForm,
    Pattern,
    Presence,
    QueryPredicate,
    Route,
)

FORMS = MappingProxyType({form.value: form.name for form in PathForm})
_PRESENCE = MappingProxyType({presence.value: presence.name for presence in Presence})
_KEYS = (
    "name", "path", "methods", "query", "when", "match", *ACTIONS,
    "first_byte", "max_body", "wait_for_worker", "upgrade",
)  # fmt: skip


class RouteReader:
    """Reads routes one after the other; remembers the names that are taken and the upstreams used."""

    __slots__ = ("_findings", "_form", "_names", "_upstreams", "used")

    def __init__(self, upstreams: frozenset[str], form: PathForm, findings: Findings) -> None:
        self._upstreams = upstreams
        self._form = form
        self._findings = findings
        self._names: dict[str, Source] = {}
        self.used: set[str] = set()

    def take(self, routes: tuple[Route, ...]) -> None:
        """Their names are taken."""
        self._names.update({route.name: route.source for route in routes if route.source})

    def read(self, node: Node | None) -> tuple[Route, ...]:
        """The routes that can be served."""
        if node is None:
            return ()
        if not isinstance(node, Items):
            self._findings.add(
                "S009",
                f"`routes:` is a list, not {kind_of(node)}",
                node.source,
                fix="begin each route with `- `",
            )
            return ()
        if not node.items:
            self._findings.add(
                "S010", "`routes:` lists none", node.source, fix="write `- {path: '^/', upstream: main}`"
            )
        return tuple(route for item in node.items for route in self._group(item))

    def _group(self, node: Node) -> tuple[Route, ...]:
        findings = self._findings
        before = findings.errors
        fields = mapping(node, _KEYS, findings, "a route", fix="write `- {path: '^/', upstream: main}`")
        if fields is None:
            return ()
        action = self._action(fields)
        patterns = self._patterns(fields)
        methods = self._methods(fields.get("methods"))
        query = self._query(fields.get("query"))
        conditions = self._conditions(fields.get("when"))
        first_byte, max_body = fields.get("first_byte"), fields.get("max_body")
        held = fields.get("wait_for_worker")
        hold = seconds(held, findings, "`wait_for_worker`") if held else None
        wait = seconds(first_byte, findings, "`first_byte`") if first_byte else None
        most = size(max_body, findings, "`max_body`") if max_body else None
        upgrade = protocols(fields.get("upgrade"), findings, methods=methods, forwards=action.forwards)
        route_name = self._name(
            fields, action.upstream or next(filter(fields.keys.get, ACTIONS[1:]), "route")
        )
        if findings.errors > before or not patterns:
            return ()
        return tuple(
            Route(
                name=route_name,
                pattern=pattern,
                methods=methods,
                query=query,
                conditions=conditions,
                upstream=action.upstream,
                refusal=action.refusal,
                response=action.response,
                redirect=action.redirect,
                first_byte=wait,
                max_body=most,
                wait_for_worker=hold,
                upgrade=upgrade,
                source=source,
            )
            for pattern, source in patterns
        )

    def _name(self, fields: Fields, kind: str) -> str:
        """The name that is written, or one made of the upstream and the line."""
        node = fields.get("name")
        scalar = word(node, self._findings, "`name`") if node else None
        if scalar is None:
            made = f"{kind}-{fields.source.line}"
            again = 2
            while made in self._names:
                made = f"{kind}-{fields.source.line}-{again}"
                again += 1
            self._names[made] = fields.source
            return made
        if scalar.text == UNMATCHED.name:
            self._findings.add(
                "R106", "a route cannot be named `unmatched`", scalar.source, fix="name it otherwise"
            )
        elif scalar.text in self._names:
            first = self._names[scalar.text]
            self._findings.add(
                "R105",
                f"two routes are named `{short(scalar.text)}`",
                scalar.source,
                related=(Related(source=first, note="first named here"),),
                fix="name one of them otherwise; paths that belong together can be a list below one `path:`",
            )
        elif name(scalar, self._findings, "a route"):
            self._names[scalar.text] = scalar.source
        return scalar.text

    def _action(self, fields: Fields) -> Action:
        """What becomes of the requests; nothing where that cannot be read."""
        written = [key for key in ACTIONS if key in fields.keys]
        if not written and not fields.meant.isdisjoint(ACTIONS):
            return Action()
        if len(written) != 1:
            self._findings.add(
                "R107",
                f"a route has both `{written[0]}` and `{written[1]}`"
                if written
                else "this route goes nowhere",
                fields.keys[written[1]].source if written else fields.source,
                fix="keep one of them" if written else "add `upstream: NAME`",
            )
            return Action()
        node = fields.get(written[0])
        if node is None:
            return Action()
        if written == ["upstream"]:
            return Action(upstream=self._upstream(node))
        return read_answer(written[0], node, self._findings)

    def _upstream(self, node: Node) -> str | None:
        scalar = word(node, self._findings, "`upstream`")
        if scalar is None:
            return None
        self.used.add(scalar.text)
        if scalar.text not in self._upstreams:
            usable = sorted(filter(is_name, self._upstreams))
            near = suggest(scalar.text, usable)
            known = ", ".join(usable) or "none"
            self._findings.add(
                "R102",
                f"there is no upstream `{short(scalar.text)}`",
                scalar.source,
                label=f"did you mean `{near}`?" if near else "",
                fix=f"write `{near}`" if near else f"define it below `upstreams:`; the file defines {known}",
            )
        return scalar.text

    def _patterns(self, fields: Fields) -> list[tuple[Pattern, Source]]:
        written = fields.get("match")
        form = choice(written, self._findings, "`match`", FORMS) if written else self._form.value
        node = fields.need("path", "write `path: '^/…'`")
        if isinstance(node, Items) and not node.items:
            self._findings.add("S010", "`path:` lists none", node.source, fix="list a pattern")
        patterns = []
        for item in one_or_more(node):
            scalar = word(item, self._findings, "a path pattern")
            reading = PathForm(form) if form else self._form
            pattern = check_pattern(scalar, reading, self._findings) if scalar else None
            if scalar and pattern:
                patterns.append((pattern, scalar.source))
        return patterns

    def _methods(self, node: Node | None) -> frozenset[str] | None:
        if node is None:
            return None
        methods: set[str] = set()
        if isinstance(node, Items) and not node.items:
            self._findings.add(
                "S010", "`methods:` lists none", node.source, fix="list one, or remove it for every method"
            )
        for item in one_or_more(node):
            scalar = word(item, self._findings, "a method")
            if scalar is None:
                continue
            if scalar.text in METHODS:
                methods.add(scalar.text)
                continue
            near = suggest(scalar.text, sorted(METHODS))
            never = scalar.text.upper() in NEVER_PROXIED
            self._findings.add(
                "R103",
                f"`{short(scalar.text)}` is {'never proxied' if never else 'not a method'}",
                scalar.source,
                fix="remove it" if never or not near else f"write `{near}`",
            )
        return frozenset(methods)

    def _query(self, node: Node | None) -> tuple[QueryPredicate, ...]:
        if node is None:
            return ()
        empty = isinstance(node, Mapping)
        if not isinstance(node, Mapping) or not node.entries:
            self._findings.add(
                "R104",
                f"`query` names parameters with a condition, and is {'empty' if empty else kind_of(node)}",
                node.source,
                fix="write `{since: absent}` or `{since: present}`",
            )
            return ()
        predicates = []
        for entry in node.entries:
            if not entry.key.text:
                self._findings.add("R104", "the parameter has no name", entry.key.source, fix="name it")
                continue
            chosen = self._presence(entry.value, entry.key)
            if chosen:
                predicates.append(QueryPredicate(name=entry.key.text, presence=Presence(chosen)))
        return tuple(predicates)

    def _conditions(self, node: Node | None) -> tuple[Condition, ...]:
        if isinstance(node, Items) and not node.items:
            self._findings.add(
                "S010", "`when:` lists none", node.source, fix="list a condition, or remove it"
            )
        read = (read_condition(item, self._findings) for item in one_or_more(node))
        return tuple(condition for condition in read if condition is not None)

    def _presence(self, node: Node, key: Scalar) -> str | None:
        if isinstance(node, Scalar) and node.text in _PRESENCE:
            return node.text
        self._findings.add(
            "R104",
            f"`{short(key.text)}` is `present` or `absent`, not {kind_of(node)}",
            node.source if not isinstance(node, Scalar) or node.text else key.source,
            fix=f"write `{{{short(key.text)}: present}}` or `{{{short(key.text)}: absent}}`",
        )
        return None
