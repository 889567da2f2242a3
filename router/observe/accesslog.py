"""The access log: one line for each exchange in nginx's combined format, buffered, without tokens."""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from collections.abc import Callable
from typing import Final

import re2

from router.memory import remember
from router.observe.redaction import redact, signs_of_secrets
from router.proxy.record import ExchangeRecord

BUFFER: Final = 64
"""Lines that wait in memory: of ordinary ones about nginx's `buffer=16k`."""

FLUSH_AFTER = 1.0
"""Seconds that a line waits at most, given that often a tick: nginx's `flush=1s`."""

WAITING = 1_048_576
"""Bytes that wait for the reader of a pipe before lines are dropped."""

PIECE = 4096
"""PIPE_BUF on Linux: a pipe that polls as writable takes that much without blocking."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

MOST_REMEMBERED = 1024
"""Entries of one memory; a full one is emptied, since anything in it is quickly found again."""

LONGEST_REMEMBERED = 1024
"""Bytes of Referer and User-Agent together, above which they are read again each time."""

_STATUSES: Final = tuple(b'" %03d ' % status for status in range(1000))
_ESCAPES = {byte: f"\\x{byte:02X}" for byte in range(256) if not 0x20 <= byte < 0x7F or byte in b'"\\'}

_NO_FIELDS: Final = b' "-" "-"\n'

_PIECES: Final = 6
"""Of one line: address, time, request line, status, size, and the rest."""

_REQUEST: Final = 2
"""Which of the pieces is the request line."""


def _compile_signs() -> Callable[[bytes], object]:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = False
    options.never_capture = True
    # RE2 reads 16 KiB against all of it at once in the time that Python takes for two words.
    search: Callable[[bytes], object] = re2.compile(
        rb'[\x00-\x1f"\\\x7f-\xff]|' + signs_of_secrets(), options
    ).search
    return search


_find_sign = _compile_signs()
"""Finds something in any text that has anything to escape, or anything that could be a secret."""


def escape(value: bytes) -> bytes:
    r"""The value as nginx writes it: `"`, `\`, controls and bytes from 0x7f up as `\xHH`.

    nginx: `log_format … escape=default`.
    """
    return value.decode("latin-1").translate(_ESCAPES).encode("ascii")


def _clean(value: bytes) -> bytes:
    """The value as it is logged: escaped, and without secrets."""
    return value if _find_sign(value) is None else redact(escape(value))


def time_local(second: int) -> bytes:
    """nginx's `$time_local`, as `[22/Jun/2024:10:00:00 +0000]` without the brackets, in English always."""
    t = time.localtime(second)
    sign = "-" if t.tm_gmtoff < 0 else "+"
    hours, minutes = divmod(abs(t.tm_gmtoff) // 60, 60)
    return (
        f"{t.tm_mday:02}/{MONTHS[t.tm_mon - 1]}/{t.tm_year}:{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} "
        f"{sign}{hours:02}{minutes:02}"
    ).encode()


def _tell_stderr(message: str) -> None:
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - the log that could say it is the one that fails


class AccessLog:
    """Takes exchanges that have ended, writes lines to a file, a pipe or standard output.

    `path` is a file, `-` for standard output, or empty for no log. `dropped` counts lines that could not
    be written: the disk is full, or nobody reads the pipe; that is told once, through `complain`, until
    writing works again. Nothing raises once the log is open; opening it raises OSError.
    """

    __slots__ = (
        "_addresses",
        "_complain",
        "_failing",
        "_fd",
        "_flushed",
        "_path",
        "_pieces",
        "_poll",
        "_second",
        "_stamp",
        "_tails",
        "_torn",
        "_waiting",
        "dropped",
    )

    def __init__(self, path: str, *, complain: Callable[[str], object] = _tell_stderr) -> None:
        self._path = path
        self._complain = complain
        self._pieces: list[bytes] = []
        self._addresses: dict[str, bytes] = {}
        self._tails: dict[tuple[bytes, bytes], bytes] = {}
        self._waiting = b""
        self._torn = False
        self._failing = False
        self._second = -1
        self._stamp = b""
        self._flushed = 0.0
        self.dropped = 0
        self._fd = -1
        self._poll: select.poll | None = None
        if path:
            try:
                self._use(self._open())
            except OSError as error:
                raise OSError(error.errno, f"cannot open the access log: {error.strerror}", path) from error

    def record(self, exchange: ExchangeRecord, now: float) -> None:
        """Adds the exchange's line; `now` is in wall-clock seconds."""
        if self._fd < 0:
            return
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = b' - - [%b] "' % time_local(second)
        head = exchange.head
        pieces = self._pieces
        pieces.append(self._addresses.get(exchange.client) or self._new_address(exchange.client))
        pieces.append(self._stamp)
        pieces.append(exchange.line)
        pieces.append(_STATUSES[exchange.status])
        pieces.append(str(exchange.bytes_out).encode("ascii"))
        if head is None:
            pieces.append(_NO_FIELDS)
        else:
            # The first of several counts, as in nginx's $http_referer and $http_user_agent.
            fields = head.fields
            told = (fields.get(b"referer", b"-"), fields.get(b"user-agent", b"-"))
            pieces.append(self._tails.get(told) or self._new_tail(told))
        if len(pieces) >= BUFFER * _PIECES:
            self.flush()

    def _new_address(self, client: str) -> bytes:
        address = _clean(client.encode()) or b"unix:"
        return remember(self._addresses, client, address, MOST_REMEMBERED)

    def _new_tail(self, told: tuple[bytes, bytes]) -> bytes:
        tail = b' "%b" "%b"\n' % (_clean(told[0]), _clean(told[1]))
        if len(told[0]) + len(told[1]) <= LONGEST_REMEMBERED:
            remember(self._tails, told, tail, MOST_REMEMBERED)
        return tail

    def tick(self, now: float) -> None:
        """Writes what has waited for a second or longer; `now` may be of any clock, always the same."""
        if now - self._flushed >= FLUSH_AFTER:
            self._flushed = now
            self.flush()

    def flush(self) -> None:
        """Writes what waits, as far as the file or the pipe takes it at once."""
        self._collect()
        self._write(patience=0)

    def reopen(self) -> None:
        """Goes on in a new file of the same name (SIGUSR1, after the old one was renamed)."""
        if self._fd < 0 or self._path == "-":
            return
        self.flush()
        try:
            fd = self._open()
        except OSError as error:
            self._complain(
                f"access log: cannot reopen {self._path}: {error.strerror}; going on in the old file"
            )
            return
        os.close(self._fd)
        self._use(fd)

    def close(self) -> None:
        """Writes what waits, for a moment also to a slow pipe, and closes the file."""
        if self._fd < 0:
            return
        self._collect()
        self._write(patience=200)
        self.dropped += self._waiting.count(b"\n")
        self._waiting = b""
        if self._path != "-":
            os.close(self._fd)
        self._fd = -1

    def _open(self) -> int:
        if self._path == "-":
            return 1
        # O_NONBLOCK: a named pipe without a reader is an error at once, and not a start that hangs.
        return os.open(
            self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o640
        )

    def _use(self, fd: int) -> None:
        self._fd = fd
        self._poll = None
        self._torn = False
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            self._poll = select.poll()
            self._poll.register(fd, select.POLLOUT)

    def _collect(self) -> None:
        """Turns pieces to bytes that wait, escaped and without secrets: one look at many lines is cheap."""
        pieces = self._pieces
        if not pieces:
            return
        if len(self._waiting) > WAITING:
            self._fail("nobody reads it", len(pieces) // _PIECES)
        else:
            requests = pieces[_REQUEST::_PIECES]
            if _find_sign(b" ".join(requests)) is not None:
                pieces[_REQUEST::_PIECES] = map(_clean, requests)
            self._waiting += b"".join(pieces)
        pieces.clear()

    def _write(self, *, patience: int) -> None:
        """Writes while the other side takes it, waiting for a pipe at most `patience` ms for each piece."""
        if not self._waiting or self._fd < 0:
            return
        view = memoryview(b"\n" + self._waiting if self._torn else self._waiting)
        done = 0
        try:
            while done < len(view):
                if self._poll is None:
                    done += os.write(self._fd, view[done:])
                elif self._poll.poll(patience):
                    done += os.write(self._fd, view[done : done + PIECE])
                else:
                    break
        except BlockingIOError:
            pass
        except OSError as error:
            # The rest is not kept: a disk stays full for longer than lines may pile up here.
            lost = bytes(view[done:])
            self._fail(error.strerror or str(error), lost.count(b"\n") - (self._torn and not done))
            self._torn = self._torn if not done else view[done - 1] != 0x0A
            self._waiting = b""
            return
        if done:
            self._torn = False
        self._waiting = bytes(view[done:])
        self._failing = bool(self._waiting) and self._failing

    def _fail(self, why: str, lost: int) -> None:
        self.dropped += lost
        if not self._failing:
            self._failing = True
            name = "standard output" if self._path == "-" else self._path
            self._complain(
                f"access log: cannot write to {name}: {why}; "
                "lines are dropped and counted in router_log_dropped_total"
            )
