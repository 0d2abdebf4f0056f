"""Which room type a guest names, among the names that the hotel gave them."""

import re
from collections.abc import Iterable, Mapping, Sequence

from services.messaging.understanding.language import ENGLISH_WORDS, SPANISH_WORDS
from services.messaging.understanding.words import listed, normal, tokens

# Said of any room, so they tell none apart.
_GENERIC = listed(
    """
    habitacion habitaciones room rooms cuarto cuartos tipo type cama camas bed beds bedroom
    recamara una un la el the a an de del con with y and para for
    """
)
_SAME = {
    word: words.split()[0]
    for words in (
        "doble double matrimonial matrimonio dobles doubles",
        "individual single sencilla simple individuales singles",
        "suite suites",
        "triple triples",
        "cuadruple quadruple quad",
        "familiar family",
        "deluxe lujo luxury",
        "superior superiores",
        "estandar standard",
        "gemelas twin twins",
    )
    for word in words.split()
}
_ORDINALS = {
    word: number
    for number, words in enumerate(
        (
            "primera primero first 1a 1st",
            "segunda segundo second 2a 2nd",
            "tercera tercero third 3a 3rd",
            "cuarta fourth 4a 4th",
            "quinta fifth 5a 5th",
        )
    )
    for word in words.split()
}
_MAX_WORDS = 8
_LONGEST_WORD = 24


def telling_words(rest: str) -> tuple[str, ...]:
    """The words that may name a room: no digits, nothing that every guest writes."""
    words = (_SAME.get(word, word) for word in tokens(rest))
    kept = [word for word in words if _may_name_a_room(word)]
    return tuple(dict.fromkeys(kept))[:_MAX_WORDS]


def named(words: Sequence[str], rooms: Iterable[Mapping[str, str]]) -> list[int]:
    """The indexes of the rooms that the words name best; several when they leave it open."""
    said = {_SAME.get(word, word) for word in words}
    scores = [max((_score(said, name) for name in names.values()), default=0) for names in rooms]
    best = max(scores, default=0)
    return [index for index, score in enumerate(scores) if score == best and best > 0]


def ordinal(plain: str) -> int | None:
    """`the second one`, `la 2`: the index it means."""
    words = tokens(plain)
    if len(words) > _MAX_WORDS:
        return None
    for word in words:
        if word in _ORDINALS:
            return _ORDINALS[word]
    alone = re.fullmatch(r"\W*(?:(?:la|the|opcion|option|numero|number|n)\W*)*(\d{1,2})\W*", plain)
    return int(alone[1]) - 1 if alone else None


def _score(said: set[str], name: str) -> int:
    """A name told in full counts more than one told in part, and more words more than fewer."""
    parts = {_SAME.get(word, word) for word in tokens(normal(name))}
    parts = (parts - _GENERIC) or parts
    if not parts or not parts & said:
        return 0
    if parts <= said:
        return 100 + len(parts)
    return len(parts & said)


def _may_name_a_room(word: str) -> bool:
    if word in _SAME:
        return True
    common = word in SPANISH_WORDS or word in ENGLISH_WORDS or word in _GENERIC
    return not common and word.isalpha() and 3 <= len(word) <= _LONGEST_WORD
