"""A process that has everything imported and forks a child for each operation that it is told.

Lines on stdin: ``OPERATION ROOT WORK GATE DONE``. It answers the child's pid at once. The child waits until somebody
opens the named pipe ``GATE`` for writing, does the operation, and writes ``DONE``: that is the acknowledgement.
An error of the store goes to ``DONE.error``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from registry.errors import RegistryError
from tests.registry.operations import OPERATIONS

REFUSED = 3
"""Exit code of a child whose operation was refused; the reason is in ``DONE.error``."""


def main() -> None:
    for line in sys.stdin:
        name, root, work, gate, done = line.split()
        pid = os.fork()
        if not pid:
            code = 1
            try:
                os.close(os.open(gate, os.O_RDONLY))
                try:
                    OPERATIONS[name].run(Path(root), Path(work))
                except RegistryError as error:
                    Path(f"{done}.error").write_text(f"{type(error).__name__}: {error}; {error.hint}")
                    code = REFUSED
                    os._exit(code)
                os.close(os.open(done, os.O_WRONLY | os.O_CREAT))
                code = 0
            finally:
                os._exit(code)
        print(pid, flush=True)
        status = os.waitpid(pid, 0)[1]
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
