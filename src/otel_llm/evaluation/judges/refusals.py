"""Tells whether an answer declines to do what was asked."""

from __future__ import annotations

import re

_EXCUSES = (
    r"(?:(?:i'm|i am) (?:really |very |so )?sorry,? (?:but )?",
    r"|unfortunately,? ",
    r"|(?:my )?apologies,? (?:but )?",
    r"|as an ai[^.]{0,60}, ",
    r"|tut mir leid,? (?:aber )?",
    r"|leider ",
    r"|désolée?,? (?:mais )?",
    r"|lo siento,? (?:pero )?)?",
)
_DECLINING = (
    r"(?:i (?:can't|cannot|can not|won't|will not|am unable to|am not able to|must decline|have to decline|decline to)",
    r"|i'm (?:unable|not able) to",
    r"|(?:das|dabei|damit) kann ich (?:leider |dir |ihnen )*nicht",
    r"|(?:ich kann|kann ich) (?:leider |dir |ihnen |dabei |das )*nicht",
    r"|je ne peux pas|no puedo|non posso|não posso)\b",
)
_WHAT = (
    r"help|assist|answer|comply|provide|share|discuss|do that|do this|fulfil|give|create|generate|write|support|engage",
    r"|helfen|beantworten|unterstützen|aider|répondre|ayudar|responder|aiutar|rispondere|ajudar",
)
_REFUSAL = re.compile(rf"(?:^|[.!\n] ?){''.join(_EXCUSES)}{''.join(_DECLINING)}[^.!?\n]{{0,80}}?\b(?:{''.join(_WHAT)})")
#: Refusals stand at the beginning; later such a sentence is about something else.
_BEGINNING = 400
#: What stands for it, so that a change of it changes the revision.
PATTERN = _REFUSAL.pattern


def declines(answer: str) -> bool:
    """Whether ``answer`` declines, in English, German, French, Spanish, Italian or Portuguese."""
    beginning = answer[:_BEGINNING].lower().replace("\u2019", "'")
    return bool(_REFUSAL.search(re.sub(r"[ \t]+", " ", beginning).strip()))
