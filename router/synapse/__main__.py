"""`python -m router.synapse` is `make endpoints`."""

from __future__ import annotations

import sys

from router.synapse.endpoints import main

if __name__ == "__main__":
    sys.exit(main())
