"""The folder of a process, and those of the children that it forks."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

FORKS = """
    import os, time
    from pathlib import Path
    from fakes.core.content import Spool
    from fakes.core.folders import new_folder, process_folder
    from fakes.core.warden import warden
    from fakes.doors.activation import SHARED

    leads = SHARED.variables()["REQUESTS_CA_BUNDLE"]
    blob = Spool(memory=1).keep(b"many bytes")
    read, write = os.pipe()
    if os.fork() == 0:
        mine = new_folder("bodies")
        warden.watch(mine)
        del blob
        os.write(write, f"{mine}|{SHARED.variables()['REQUESTS_CA_BUNDLE']}".encode())
        os._exit(0)
    os.wait()
    mine, _, told = os.read(read, 4096).decode().partition("|")
    for _ in range(400):  # the child's warden is nobody's child by now: look until it has done its work
        if not os.path.exists(os.path.dirname(mine)):
            break
        time.sleep(0.05)
    print(os.path.exists(mine), process_folder() in Path(mine).parents, Path(leads).is_file(), told == leads, blob.data)
"""


def test_what_a_process_has_outlives_a_forked_child() -> None:
    """Its warden sees a child end without a word, and removes the child's folder: that one only."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FORKS)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.strip() == "False True True True b'many bytes'", done.stderr
