"""``python -m fakes``."""

import sys

from fakes.doors.cli import main

if __name__ == "__main__":
    sys.exit(main())
