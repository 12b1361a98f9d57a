"""`python -m netspec`: the command line, without the installed script."""

from netspec.cli import main

if __name__ == "__main__":
    main()
