"""The folder benchmarks/ is no part of the installed package; its modules are found from the project's root."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
