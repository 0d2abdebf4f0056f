"""Questions about the hotel itself: what it has said is told, what it has not is not invented."""

from collections.abc import Generator, Sequence
from dataclasses import replace

from services.messaging.conversation import search
from services.messaging.conversation.profile import Profile
from services.messaging.conversation.queries import (
    Answer,
    AskProfile,
    AskTerms,
    Failed,
    HouseTerms,
    Query,
)
from services.messaging.conversation.state import Asking
from services.messaging.conversation.turn import Steps, Turn
from services.messaging.replies import about, about_texts, bookings, texts
from services.messaging.replies.model import Text
from services.messaging.understanding.meaning import Dates, Intent, Meaning, Topic

Told = Generator[Query, Answer, tuple[str, ...]]
# Who wants one of these done is not asking, whatever else the text names.
_DEEDS = (Intent.CANCEL, Intent.CANCEL_RESERVATION, Intent.CHANGE, Intent.RESTART, Intent.DENY)
_TIMES = frozenset((Topic.CHECK_IN, Topic.CHECK_OUT))


def answers(turn: Turn, meaning: Meaning) -> Told:
    """What is to be told of the topics of a text; nothing when it asks about none."""
    topics = _asked(meaning)
    if not topics:
        return ()
    profile = yield AskProfile(turn.voice.language)
    if not isinstance(profile, Profile):
        return (turn.voice.say(about_texts.CANNOT_LOOK_UP),)
    if not profile.answers_questions:
        cannot = turn.voice.say(texts.CANNOT_TELL)
        return (" ".join(filter(None, (cannot, about.reception(turn.voice, profile)))),)
    terms: Answer | None = None
    if any(topic in about.OF_TERMS for topic in topics):
        terms = yield AskTerms()
    if isinstance(terms, Failed) and terms.reason != "PROPERTY_UNKNOWN":
        return (turn.voice.say(about_texts.CANNOT_LOOK_UP),)
    known = terms if isinstance(terms, HouseTerms) else None
    return about.told(turn.voice, profile, known, topics)


def without_its_day(turn: Turn, meaning: Meaning) -> Meaning:
    """`Is there breakfast on Saturday?` names the day of the question, which begins no stay."""
    asked_for_days = turn.state.asking in (Asking.DATES, Asking.NIGHTS)
    stays = meaning.speaks_of_staying or meaning.guests or asked_for_days
    stays = stays or meaning.wants(Intent.CHANGE, Intent.RETRY)
    if stays or not (meaning.is_question and meaning.topics):
        return meaning
    return replace(meaning, dates=Dates(), intents=meaning.intents - {Intent.BOOK})


def _asked(meaning: Meaning) -> tuple[Topic, ...]:
    """The topics of a text that asks; `check-in 12 December` tells a date."""
    # `cancellation policy` names what would otherwise be done.
    if meaning.is_question or Topic.CANCELLATION in meaning.topics:
        return meaning.topics
    if meaning.wants(*_DEEDS):
        return ()
    named = _TIMES if meaning.dates else frozenset()
    return tuple(topic for topic in meaning.topics if topic not in named)


def tell(turn: Turn, told: Sequence[str], *, books: bool) -> Steps:
    """Answers, and goes on where the conversation was; `books`: or begins to book."""
    lock = turn.live_lock
    if lock is not None:
        return turn.reply(bookings.summary(turn.voice, lock, told))
    if books or turn.state.asking is not Asking.NOTHING:
        return (yield from search.proceed(turn, told))
    hint = () if turn.state.offer is None else (turn.voice.say(texts.HINT_WITH_OFFER),)
    return turn.reply(Text("\n\n".join((*told, *hint))))


def reception(turn: Turn) -> Generator[Query, Answer, str]:
    """When somebody is there whom a guest can ask; empty when that is not known."""
    profile = yield AskProfile(turn.voice.language)
    return about.reception(turn.voice, profile) if isinstance(profile, Profile) else ""
