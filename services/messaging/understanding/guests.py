"""How many people a text speaks of. The days are masked already."""

import re

from services.messaging.understanding.meaning import MAX_GUESTS, Guests

_COUNT = r"(?P<n>\d+|una?|an?)"
_BEFORE_A_PARTY = (
    r"(?:para|for|somos|seremos|seriamos|we are|we're|we will be|we'll be|family of"
    r"|familia de|party of|group of|grupo de)"
)
_ADULTS = re.compile(rf"\b{_COUNT}\s*(?:adult\w*|mayores|grown-?ups)\b")
_CHILDREN = re.compile(
    rf"\b{_COUNT}\s*(?:nin[oa]s?|hij[oa]s?|beb[ea]s?|menor(?:es)?|child(?:ren)?|kids?|bab(?:y|ies)"
    r"|infants?|toddlers?|sons?|daughters?)\b"
)
_A_CHILD = re.compile(
    r"\b(?:mi|nuestr[oa]|my|our)\s+(?:hij[oa]|bebe|nin[oa]|son|daughter|baby|kid)\b"
)
_SOME_CHILDREN = re.compile(r"\b(?:nin[oa]s|hij[oa]s|bebes|menores|children|kids|babies)\b")
_NO_CHILDREN = re.compile(
    r"\b(?:sin|ningun|no|without)\s+(?:nin[oa]s?|hijos|menores|children|kids)\b"
)
_PEOPLE = re.compile(
    rf"\b{_COUNT}\s*(?:personas?|pax|huesped(?:es)?|people|ppl|persons?|guests?|viajeros|amig[oa]s"
    r"|friends|of us)\b"
)
_FOR = re.compile(
    # `for 2027` is a year.
    rf"\b{_BEFORE_A_PARTY}\s+(?:solo\s+|only\s+|just\s+)?(?!20\d\d\b)(?P<n>\d+)\b"
    r"(?!\s*[\d/:€$%-])"
)
# A dash anywhere else may be one of a list.
_BELOW_NONE = re.compile(rf"\b(?:{_BEFORE_A_PARTY}|y|and|con|with)\s+-\d|^-\d+\W*$")
_ALONE = re.compile(
    r"\b(?:para mi|solo yo|yo solo|yo sola|voy sol[oa]|viajo sol[oa]|just me|only me|myself"
    r"|for me|by myself)\b"
)
_COUPLE = re.compile(
    r"\b(?:mi (?:pareja|mujer|esposa|esposo|marido|novi[oa]) y yo"
    r"|(?:yo )?(?:y|con) mi (?:pareja|mujer|esposa|esposo|marido|novi[oa])"
    r"|my (?:wife|husband|partner|girlfriend|boyfriend) and (?:i|me)"
    r"|(?:me and|with) my (?:wife|husband|partner|girlfriend|boyfriend)"
    r"|(?:una|en|somos) pareja|a couple|couple)\b"
)
# `4 people, 2 kids` are four, `2 people and a child` are three.
_AND_CHILDREN = re.compile(
    rf"\s*(?:(?:y|and|mas|plus)\b|[+&])\s*(?:{_CHILDREN.pattern}|{_A_CHILD.pattern})"
)
_BARE = re.compile(r"^\W*(?P<n>\d+)\W*(?:(?:y|and|\+|mas|plus)\W*(?P<c>\d+)\W*)?$")


def read(rest: str, *, asked: bool, children_known: int = 0) -> Guests:
    """The guests that were named; `asked` when a bare number can only mean them.

    `children_known` are those that were named before the adults were.
    """
    if _BELOW_NONE.search(rest):
        return Guests(impossible=True)
    adults, children = _sum(_ADULTS, rest), _sum(_CHILDREN, rest)
    if children is None:
        children = _children_without_count(rest)
    if children is None and _SOME_CHILDREN.search(rest):
        # Nobody knows how many: it has to be asked, so the adults are not enough.
        return Guests()
    young = children_known if children is None else children
    if adults is None:
        adults = _adults_of_party(rest, young)
    if asked and adults is None and children is None:
        adults, children = _bare(rest)
        if children is None:
            adults = _without(adults, young)
    if adults is not None and children is None and young:
        children = young
    return _checked(adults, children)


def _children_without_count(rest: str) -> int | None:
    if _NO_CHILDREN.search(rest):
        return 0
    return len(_A_CHILD.findall(rest)) or None


def is_bare(plain: str) -> bool:
    """Whether a text is nothing but one or two numbers."""
    return bool(_BARE.match(plain))


def _sum(pattern: re.Pattern[str], rest: str) -> int | None:
    """`1 niño y 1 bebé` are two children."""
    counts = [_number(found["n"]) for found in pattern.finditer(rest)]
    return sum(counts) if counts else None


def _number(written: str) -> int:
    return int(written) if written.isdecimal() else 1


def _adults_of_party(rest: str, children: int) -> int | None:
    for pattern in (_PEOPLE, _FOR):
        found = pattern.search(rest)
        if found:
            party = _number(found["n"])
            return party if _AND_CHILDREN.match(rest, found.end()) else _without(party, children)
    if _COUPLE.search(rest):
        return 2
    return 1 if _ALONE.search(rest) else None


def _without(party: int | None, children: int) -> int | None:
    """`4 people, 2 kids`: the children are part of the party, unless there would be no adult."""
    return party if party is None or children >= party else party - children


def _bare(rest: str) -> tuple[int | None, int | None]:
    found = _BARE.match(rest)
    if not found:
        return None, None
    return int(found["n"]), int(found["c"]) if found["c"] else None


def _checked(adults: int | None, children: int | None) -> Guests:
    too_few = adults is not None and adults < 1
    if too_few or (adults or 0) > MAX_GUESTS or (children or 0) > MAX_GUESTS:
        return Guests(impossible=True)
    return Guests(adults, children)
