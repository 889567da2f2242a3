"""`python -m tests.http [TOPIC]…`: asks the router, nginx and HAProxy every case; writes docs/http.md.

With topics, the names of files without `.yaml`, the two others are asked only those.
"""

from __future__ import annotations

import sys

from tests.http.cases import all_cases
from tests.http.table import PAGE, versions, write

if __name__ == "__main__":
    cases = all_cases()
    write(cases, sys.argv[1:])
    sys.stdout.write(f"{PAGE.name}: {len(cases)} cases, {versions()}\n")
