"""Numbers of things, in words."""


def counted(number: int, word: str) -> str:
    """`1 change`, `3 changes`, `2 addresses`."""
    ending = "" if number == 1 else "es" if word.endswith("s") else "s"
    return f"{number} {word}{ending}"
