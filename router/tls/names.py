"""Names that clients ask for and that are no ASCII: CPython would write a traceback for each hello with one.

RFC 6066 section 3 wants ASCII. Such a handshake fails before `sni_callback` is called, and is counted.
"""

from __future__ import annotations

import sys


def say_nothing_of_bad_names() -> None:
    """From now on, standard error is not the client's to write to; all else is said as before."""
    say = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if not (issubclass(unraisable.exc_type, UnicodeDecodeError) and isinstance(unraisable.object, bytes)):
            say(unraisable)

    sys.unraisablehook = hook
