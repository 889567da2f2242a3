"""An Explanation as text for a terminal."""

from __future__ import annotations

from router.answers import Response
from router.routing.explanation import Candidate, Explanation, KeyUse
from router.routing.trace import Step, Verdict
from router.table import PolicyKind

_MARKS = {
    Verdict.TAKEN: ">",
    Verdict.PATH: "-",
    Verdict.METHOD: "-",
    Verdict.QUERY: "-",
    Verdict.CONDITION: "-",
    Verdict.LATER: ".",
}
_POLICIES = {
    PolicyKind.ROUND_ROBIN: "round robin, smooth and weighted, as nginx",
    PolicyKind.IP_HASH: "ip_hash, as nginx",
    PolicyKind.LEAST_CONN: "least_conn, as nginx",
    PolicyKind.HASH: "crc32 modulo weights, as nginx",
    PolicyKind.CONSISTENT_HASH: "ketama, as nginx",
}
_GUARD = {
    "pass": "path is open, and the same place in every reading",
    "closed": "no route is asked",
    "ambiguous": "no route is asked",
    "not asked": "the head is refused as it stands",
}


def render(explanation: Explanation) -> str:
    """Lines without a last newline; whatever is not printable ASCII is shown as an escape."""
    names = "&".join(f"{name}=…" for name in explanation.query)
    lines = [f"{explanation.method} {explanation.path}{'?' if names else ''}{names}"]
    if explanation.normalised not in ("", explanation.path):
        lines.append(f"  normalised  {explanation.normalised}")
    if explanation.named_by is not None:
        proxy = explanation.named_by or "the unix socket"
        lines.append(f"  client      {explanation.client}, by X-Forwarded-For from {proxy}")
    lines.append(f"1 guard       {explanation.guard:<10} {_GUARD[explanation.guard]}")
    if explanation.steps:
        lines.append("2 routes      first match wins")
        lines += _step_lines(explanation.steps)
    if explanation.upstream is not None:
        lines.append(f"3 key         {_key_line(explanation.key, explanation.upstream.policy.kind)}")
        shown = " | ".join(_candidate(each) for each in explanation.candidates)
        lines.append(f"4 candidates  {shown}")
    if (
        explanation.connect is not None
        and explanation.first_byte is not None
        and explanation.max_body is not None
    ):
        waits = f"connect {_time(explanation.connect)} | first byte {_time(explanation.first_byte)}"
        if explanation.wait_for_worker is not None:
            waits += f" | wait for a worker {_time(explanation.wait_for_worker)}"
        upgrade = f" | upgrade to {explanation.upgrade}" if explanation.upgrade else ""
        lines.append(f"5 limits      {waits} | body {_size(explanation.max_body)}{upgrade}")
    lines.append(f"=> {_conclusion(explanation)}")
    return "\n".join(_printable(line) for line in lines)


def _step_lines(steps: tuple[Step, ...]) -> list[str]:
    """Every route up to the one that takes the request, and those after it that would take it too."""
    taken = next((at for at, step in enumerate(steps) if step.verdict is Verdict.TAKEN), len(steps))
    rows = [
        (_MARKS[step.verdict], step.route.name, str(step.route.source or ""), step.detail)
        for at, step in enumerate(steps)
        if at <= taken or step.verdict is Verdict.LATER
    ]
    rows = list(dict.fromkeys(rows))  # what is said of a name twice, as of a well-known document's two routes
    name = max(len(row[1]) for row in rows)
    source = max(len(row[2]) for row in rows)
    return [f"   {row[0]} {row[1]:<{name}}  {row[2]:<{source}}  {row[3]}" for row in rows]


def _key_line(key: KeyUse | None, policy: PolicyKind) -> str:
    if key is None:
        said = "none: this policy hashes nothing"
    elif key.crc32 is None:
        said, policy = f"{key.kind}: no key in this request, so", PolicyKind.ROUND_ROBIN
    else:
        said = f"{key.kind}, crc32 {key.crc32}" + ("" if key.hashed else " (one endpoint: not needed)")
    return f"{said:<42} {_POLICIES[policy]}"


def _candidate(candidate: Candidate) -> str:
    instance = f" ({candidate.instance})" if candidate.instance else ""
    return (
        f"{candidate.endpoint}{instance} {'up' if candidate.up else 'down'}{' <- chosen' * candidate.chosen}"
    )


def _time(seconds: float) -> str:
    """As it could be written in the file: whole minutes and hours as such, anything else in seconds."""
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def _size(size: int) -> str:
    """In the largest unit that needs no more than two digits after the point, so that it is exact."""
    for unit, length in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size >= length and size * 100 % length == 0:
            return f"{size / length:.2f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{size} bytes"


def _conclusion(explanation: Explanation) -> str:
    if explanation.refusal is not None:
        refusal = explanation.refusal
        return f"{refusal.status} {refusal.errcode}: {refusal.error}  ({explanation.reason})"
    if explanation.response is not None:
        return _response_line(explanation.response)
    chosen = next((each for each in explanation.candidates if each.chosen), None)
    if chosen is None:
        if explanation.wait_for_worker is not None:
            return f"503 after {_time(explanation.wait_for_worker)}: no endpoint of the upstream is up"
        return "503: no endpoint of the upstream is up"
    if chosen.endpoint.startswith("dns:"):
        return f"{chosen.endpoint}: one of what DNS answers; the running router knows which (/explain)"
    scheme = "https://" if chosen.tls else "" if chosen.endpoint.startswith("unix:") else "http://"
    return f"{scheme}{chosen.endpoint}" + (f"  ({chosen.instance})" if chosen.instance else "")


def _response_line(response: Response) -> str:
    fields = ", ".join(f"{name}: {value}" for name, value in response.fields)
    body = f"{response.media_type}, {len(response.body)} bytes" if response.body else "no body"
    return f"{response.status} {'; '.join(filter(None, (fields, body)))}  (answered here)"


def _printable(line: str) -> str:
    kept = "…"
    return "".join(
        each if each in kept or (each.isascii() and each.isprintable()) else f"\\x{ord(each):02x}"
        for each in line
    )
