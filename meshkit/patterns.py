"""What the patterns of the contract mean, for people who wrote something else."""

from __future__ import annotations

SENTENCES = {
    r"^[a-z0-9][a-z0-9-]{0,63}$": "1 to 64 small letters, digits and hyphens, no hyphen first",
    r"^([a-z0-9][a-z0-9-]{0,63})?$": "up to 64 small letters, digits and hyphens, no hyphen first",
    r"^[a-z0-9][a-z0-9-]{0,62}$": "1 to 63 small letters, digits and hyphens, no hyphen first",
    r"^([a-z0-9][a-z0-9-]{0,62})?$": "up to 63 small letters, digits and hyphens, no hyphen first",
    r"^[a-z0-9_]{1,512}$": "1 to 512 small letters, digits and underscores",
    r"^([a-z][a-z0-9_]{0,31})?$": "up to 32 small letters, digits and underscores, a letter first",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": "1 to 64 letters, digits, dots, hyphens and underscores",
    r"^[0-9]{1,32}$": "1 to 32 digits",
    r"^[0-9]{0,32}$": "up to 32 digits",
    r"^[0-9]{5,32}$": "5 to 32 digits, without a plus sign or blanks",
    r"^[0-9]{1,12}$": "1 to 12 digits",
    r"^[0-9]{0,18}$": "up to 18 digits, as it was answered",
    r"^(\+[1-9][0-9]{6,14})?$": "a phone number such as +34600000001",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": "a time of the day such as 15:00",
    r"^(100|[0-9]{1,2}(\.[0-9]{1,4})?)$": "a percentage such as 12.5, at most 100",
    r"^[A-Z]{3}$": "a currency's three capital letters, such as EUR",
    r"^([A-Z]{2})?$": "a country's two capital letters, such as ES",
    r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$": "a language such as es or pt-BR",
    r"^([a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3})?$": "a language such as es or pt-BR",
    r"^[a-z]{2,3}(_[A-Za-z]{2,4})?$": "a language as Meta writes it, such as es or en_US",
    r"^[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,128}$": "a media type such as image/png",
    r"^(v[0-9]{1,2}\.[0-9])?$": "a version of the Graph API such as v23.0",
    r"^([^\s@]+@[^\s@]+)?$": "an e-mail address",
    r"^https://[^\s/?#@]+(/[^\s]*)?$": "an address such as https://hotel.example/room.jpg",
    r"^https?://[^\s@/?#]+(/[^\s@?#]*)?$": "an address such as https://pms.example, no user in it",
}


def meaning(pattern: str) -> str:
    """What must be written, as a sentence goes on after the field's name."""
    return f"must be {SENTENCES[pattern]}" if pattern in SENTENCES else "is not written like that"
