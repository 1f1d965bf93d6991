"""`python -m trackrecord` is `trackrecord`."""

import sys

from trackrecord.cli import main

if __name__ == "__main__":
    sys.exit(main())
