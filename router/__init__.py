"""Chooses the hot modules before the first of them is imported: no other file of the package runs earlier."""

from router.modules import use_compiled

use_compiled()
