"""Words as they are compared: lower case, without accents, numbers as digits."""

import re
import unicodedata

# Nobody describes a stay in more; what follows is not read, so no text is slow to read.
READ_CHARACTERS = 1000

_NUMBERS = {
    word: str(number)
    for number, words in {
        1: "uno one",
        2: "dos two",
        3: "tres three",
        4: "cuatro four",
        5: "cinco five",
        6: "seis six",
        7: "siete seven",
        8: "ocho eight",
        9: "nueve nine",
        10: "diez ten",
        11: "once eleven",
        12: "doce twelve",
        13: "trece thirteen",
        14: "catorce fourteen",
        15: "quince fifteen",
        20: "veinte twenty",
    }.items()
    for word in words.split()
}
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_NUMBERS)})\b")
_SIGNS = str.maketrans(
    {"–": "-", "—": "-", "−": "-", "’": "'", "´": "'", "`": "'", "|": " ", "~": " "}
)

# What a date, and what anything else that was read, leaves behind in a text.
MASK = "|"
OTHER_MASK = "~"


def normal(text: str) -> str:
    """`Una habitación, del Diez…` as `una habitacion, del 10…`, at most 1,000 characters."""
    plain = unicodedata.normalize("NFKD", text[:READ_CHARACTERS].translate(_SIGNS))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign)).lower()
    plain = " ".join(plain.translate(_SIGNS).split())[:READ_CHARACTERS]
    return _NUMBER_WORD.sub(lambda found: _NUMBERS[found[0]], plain)


def tokens(plain: str) -> list[str]:
    """The words and numbers of a normal text, in order."""
    return re.findall(r"[^\W_]+", plain)


def listed(words: str) -> frozenset[str]:
    """The words of a long string, which is how word lists stay readable."""
    return frozenset(words.split())


def any_of(*words: str) -> str:
    """A pattern for any of the words, the longest first."""
    return "(?:" + "|".join(sorted(words, key=len, reverse=True)) + ")"
