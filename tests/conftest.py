"""What all tests share: the profiles of the user who runs them must not be seen, here and in processes that a test starts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ["EDGE6G_PROFILE_DIR"] = str(Path(tempfile.gettempdir()) / f"edge6g-no-profiles-{os.getpid()}")
