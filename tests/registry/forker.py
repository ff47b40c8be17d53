"""A process that has everything imported and forks a child for each operation that it is told.

Lines on stdin: ``OPERATION ROOT WORK GATE DONE``. It answers the child's pid at once. The child waits until somebody
opens the named pipe ``GATE`` for writing, does the operation, and writes ``DONE``: that is the acknowledgement.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.registry.operations import OPERATIONS


def main() -> None:
    for line in sys.stdin:
        name, root, work, gate, done = line.split()
        pid = os.fork()
        if not pid:
            code = 1
            try:
                os.close(os.open(gate, os.O_RDONLY))
                OPERATIONS[name].run(Path(root), Path(work))
                os.close(os.open(done, os.O_WRONLY | os.O_CREAT))
                code = 0
            finally:
                os._exit(code)
        print(pid, flush=True)
        status = os.waitpid(pid, 0)[1]
        print(os.waitstatus_to_exitcode(status), flush=True)


main()
