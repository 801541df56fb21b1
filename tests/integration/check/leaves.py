"""A module that leaves two processes at its import, one of them in a session of its own, for `test_imports`."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

app = [
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(8)"], start_new_session=apart) for apart in (0, 1)
]
Path(os.environ["LEFT_PIDS"]).write_text(" ".join(str(each.pid) for each in app))
