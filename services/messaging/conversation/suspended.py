"""What a guest is told who writes while the hotel is switched off: its own words, no more."""

from services.messaging.conversation.events import Event, GuestText
from services.messaging.conversation.on_text import context, in_language
from services.messaging.conversation.profile import Profile
from services.messaging.conversation.queries import AskProfile
from services.messaging.conversation.turn import Steps, Turn
from services.messaging.replies import about_texts, limits
from services.messaging.replies.model import Text
from services.messaging.understanding.reader import understand


def on_suspended(turn: Turn, event: Event) -> Steps:
    """Answers in the guest's language; what was under way stays as it is for later."""
    if isinstance(event, GuestText):
        turn = in_language(turn, understand(event.text, context(turn)))
    profile = yield AskProfile(turn.voice.language)
    answer = profile.suspension_answer if isinstance(profile, Profile) else ""
    return turn.reply(Text(limits.clean(answer) or turn.voice.say(about_texts.SUSPENDED)))
