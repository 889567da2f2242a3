"""Paths that a pattern matches, as a person might write them: tried before anything is searched for."""

from __future__ import annotations

from collections.abc import Iterator

from router.config.automaton import readable
from router.config.regex import Begin, Bytes, Choice, End, Repeat, Sequence, Tree

ROUNDS = 24
"""Each alternative of a group of that many comes up once."""


def sample_paths(tree: Tree) -> Iterator[bytes]:
    """Some different paths; few and cheap, and none of them is promised to be one that a client can send."""
    seen: set[bytes] = set()
    for turn in range(ROUNDS):
        text = _written(tree, turn)
        path = text if text.startswith(b"/") else b"/" + text
        if path not in seen:
            seen.add(path)
            yield path


def is_anchored(tree: Tree) -> bool:
    """Whether the pattern can only match at the beginning of a path."""
    if isinstance(tree, Begin):
        return True
    if isinstance(tree, Choice):
        return all(is_anchored(item) for item in tree.items)
    if isinstance(tree, Repeat):
        return tree.least > 0 and is_anchored(tree.item)
    if isinstance(tree, Sequence):
        for item in tree.items:
            if not _is_empty(item):
                return is_anchored(item)
    return False


def _is_empty(tree: Tree) -> bool:
    return isinstance(tree, End) or (isinstance(tree, Sequence) and all(map(_is_empty, tree.items)))


def _written(tree: Tree, turn: int) -> bytes:
    if isinstance(tree, Bytes):
        return bytes([readable(tree.mask)])
    if isinstance(tree, Sequence):
        return b"".join(_written(item, turn) for item in tree.items)
    if isinstance(tree, Choice):
        return _written(tree.items[turn % len(tree.items)], turn)
    if isinstance(tree, Repeat):
        most = tree.least + 2 if tree.most is None else tree.most
        times = (max(tree.least, min(1, most)), tree.least, min(most, tree.least + 2))[turn // 2 % 3]
        return _written(tree.item, turn) * times
    return b""
