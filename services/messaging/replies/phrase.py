"""A thing to say, in every language that we speak."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrase:
    """One thing to say, in Spanish and in English."""

    es: str
    en: str

    def told(self, language: str, **values: object) -> str:
        """The phrase with the values in their places."""
        return (self.es if language == "es" else self.en).format(**values)
