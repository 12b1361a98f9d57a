"""`python -m netspec`: the command line, without the installed script."""

import sys

from netspec.cli import main

if __name__ == "__main__":
    sys.exit(main())
