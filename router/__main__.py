"""`python -m router` is `synapse-router`."""

import sys

from router.cli.main import main

sys.exit(main())
