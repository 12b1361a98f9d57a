"""Numbers that remember how they were written, so that `010` and `1e3` survive where a string is meant."""


class PlainInt(int):
    """An integer of a spec; `text` is what stood there."""

    text: str

    @classmethod
    def read(cls, text: str, base: int = 10) -> "PlainInt":
        """The integer that `text` writes. Raises ValueError."""
        number = cls(text, base)
        number.text = text
        return number


class PlainFloat(float):
    """A floating-point number of a spec; `text` is what stood there."""

    text: str

    @classmethod
    def read(cls, text: str) -> "PlainFloat":
        """The number that `text` writes. Raises ValueError."""
        number = cls(text)
        number.text = text
        return number
