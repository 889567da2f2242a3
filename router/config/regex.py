"""Reads an RE2 pattern over bytes into a tree, as far as the questions of `lint` need its meaning.

What is not read (word borders, Unicode classes, multi-line mode) raises NotRead, and the pattern is
then left out of the questions: whoever asks never gets a wrong answer, only none.
"""

from __future__ import annotations

from dataclasses import dataclass

from router.config.bytesets import ALL, CLASSES, CONTROLS, LOWER, NAMED, UPPER, mask_of, span

MOST_REPEATED = 1000
"""RE2's own bound for counted repetition."""


class NotRead(Exception):
    """The pattern means something that this file does not know."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """One byte out of a set."""

    mask: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other; the empty one matches nothing at all, anywhere."""

    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several."""

    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same again, `least` to `most` times; None is without end."""

    item: Tree
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Begin:
    """The beginning of the text: `^`, `\\A`."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of the text and nothing else: `$`, `\\z`."""


Tree = Bytes | Sequence | Choice | Repeat | Begin | End


_HEX = "0123456789abcdefABCDEF"


_FLAGS = Sequence(())
"""Stands where flags were set for what follows."""


def parse(text: str) -> Tree:
    """The tree of a pattern that RE2 takes; raises NotRead."""
    reader = _Reader(text)
    tree = reader.choice()
    if reader.rest():
        raise NotRead(reader.rest())
    return tree


class _Reader:
    """Walks one pattern from left to right."""

    __slots__ = ("_at", "_dot_all", "_fold", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._fold = False
        self._dot_all = False

    def rest(self) -> str:
        """What has not been read."""
        return self._text[self._at :]

    def choice(self) -> Tree:
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _take(self, expected: str) -> bool:
        if self._text.startswith(expected, self._at):
            self._at += len(expected)
            return True
        return False

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise NotRead("the pattern ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def _sequence(self) -> Tree:
        items: list[Tree] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            if self._take("\\Q"):
                quoted, _, _ = self.rest().partition("\\E")
                items += [self._byte(ord(character)) for character in quoted]
                self._at += len(quoted)
                self._take("\\E")
                continue
            atom = self._atom()
            items.append(atom if atom is _FLAGS else self._repeated(atom))
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def _repeated(self, item: Tree) -> Tree:
        while True:
            if self._take("*"):
                item = Repeat(item, 0, None)
            elif self._take("+"):
                item = Repeat(item, 1, None)
            elif self._take("?"):
                item = Repeat(item, 0, 1)
            elif (counted := self._counted()) is not None:
                item = Repeat(item, *counted)
            else:
                return item
            self._take("?")

    def _counted(self) -> tuple[int, int | None] | None:
        """`{2}`, `{2,}` or `{2,5}`; any other brace is an ordinary character."""
        if not self._text.startswith("{", self._at):
            return None
        inside, closed, _ = self._text[self._at + 1 :].partition("}")
        least, comma, most = inside.partition(",")
        numbers = least + most
        if not closed or not least or not numbers.isascii() or not numbers.isdigit() or len(numbers) > 8:
            return None
        self._at += len(inside) + 2
        if max(int(least), int(most or 0)) > MOST_REPEATED:
            raise NotRead("repeated too often")
        if not comma:
            return int(least), int(least)
        return int(least), int(most) if most else None

    def _atom(self) -> Tree:
        character = self._next()
        if character == "(":
            return self._group()
        if character == "[":
            return Bytes(self._set())
        if character == ".":
            return Bytes(ALL if self._dot_all else ALL & ~mask_of("\n"))
        if character == "^":
            return Begin()
        if character == "$":
            return End()
        if character == "\\":
            return self._escaped()
        self._at -= 1
        if character in "*+?" or self._counted():
            # Behind a flag or a quotation RE2 repeats what stands before it.
            raise NotRead("a repetition of what is not there")
        self._at += 1
        return self._byte(ord(character))

    def _group(self) -> Tree:
        before = self._fold, self._dot_all
        if self._take("?"):
            if self._take("P<") or self._take("<"):
                while self._next() != ">":
                    pass
            elif self._flags():
                return _FLAGS
        tree = self.choice()
        if not self._take(")"):
            raise NotRead("a group without end")
        self._fold, self._dot_all = before
        return tree

    def _flags(self) -> bool:
        """Reads `i`, `s` and `U`, with `-`; true where they hold for what follows, without a group."""
        on = True
        while True:
            flag = self._next()
            if flag == ":":
                return False
            if flag == ")":
                return True
            if flag == "-":
                on = False
            elif flag == "i":
                self._fold = on
            elif flag == "s":
                self._dot_all = on
            elif flag != "U":
                raise NotRead(f"the flag {flag}")

    def _escaped(self) -> Tree:
        character = self._next()
        if character == "A":
            return Begin()
        if character == "z":
            return End()
        if character == "C":
            return Bytes(ALL)
        if character in CLASSES:
            return Bytes(CLASSES[character])
        return self._byte(self._code(character))

    def _code(self, character: str) -> int:
        """The byte that an escape stands for, by what follows its backslash."""
        if character in CONTROLS:
            return CONTROLS[character]
        if character == "x":
            if self._take("{"):
                digits, _, _ = self.rest().partition("}")
                self._at += len(digits) + 1
            else:
                digits = self._next() + self._next()
            if not digits or digits.strip(_HEX) or int(digits, 16) > 0xFF:
                raise NotRead("an escape beyond one byte")
            return int(digits, 16)
        if character in "01234567":
            digits = character
            while len(digits) < 3 and self.rest()[:1] in tuple("01234567"):
                digits += self._next()
            if int(digits, 8) > 0xFF:
                raise NotRead("an escape beyond one byte")
            return int(digits, 8)
        if character.isalnum() or ord(character) > 0x7F:
            raise NotRead(f"the escape \\{character}")
        return ord(character)

    def _byte(self, code: int) -> Bytes:
        if code > 0xFF:
            raise NotRead("a character beyond one byte")
        return Bytes(self._folded(1 << code))

    def _folded(self, mask: int) -> int:
        if not self._fold:
            return mask
        if mask >> 0x80 and mask >> 0x80 != ALL >> 0x80:
            raise NotRead("letters beyond ASCII without case")
        return mask | (mask & UPPER) << 0x20 | (mask & LOWER) >> 0x20

    def _set(self) -> int:
        negated = self._take("^")
        mask, first = 0, True
        while first or not self._take("]"):
            first = False
            if self._text.startswith("[:", self._at) and ":]" in self._text[self._at :]:
                mask |= self._named()
                continue
            low = self._member()
            if low < 0:
                mask |= CLASSES[self._text[self._at - 1]]
                continue
            high = low
            if self.rest()[:1] == "-" and self.rest()[1:2] not in ("", "]"):
                self._at += 1
                high = self._member()
            if high < low:
                raise NotRead("a range from high to low")
            mask |= span(low, high)
        mask = self._folded(mask)
        return ALL & ~mask if negated else mask

    def _member(self) -> int:
        """One byte of a set, or -1 for a class such as `\\d`, which has then been read."""
        character = self._next()
        if character == "\\":
            character = self._next()
            return -1 if character in CLASSES else self._code(character)
        if ord(character) > 0xFF:
            raise NotRead("a character beyond one byte")
        return ord(character)

    def _named(self) -> int:
        inside, _, _ = self._text[self._at + 2 :].partition(":]")
        self._at += len(inside) + 4
        name = inside.removeprefix("^")
        if name not in NAMED:
            raise NotRead(f"the class {inside}")
        return ALL & ~NAMED[name] if inside != name else NAMED[name]
