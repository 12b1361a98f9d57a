"""netspec: declarative networks for Linux hosts, planned, applied, verified and undone."""

__version__ = "0.1.0"
