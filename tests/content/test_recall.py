"""Of 2,000 credentials or personal data of each kind, and as many look-alikes, 99 % are told apart."""

from __future__ import annotations

from random import Random

import pytest

from content import made_keys as k
from content import made_people as p
from content.made_people import Make
from otel_llm.content.scrubbing import PERSONAL, SECRETS, Scrubber

KINDS: dict[str, tuple[Make, Make]] = {
    "email": (p.email, p.no_email),
    "phone": (p.phone, p.no_phone),
    "card": (p.card, p.no_card),
    "iban": (p.iban, p.no_iban),
    "ssn": (p.ssn, p.no_ssn),
    "national_id": (p.national_id, p.no_national_id),
    "ip": (p.ip, p.no_ip),
    "provider key": (k.key, k.no_key),
    "JWT": (k.jwt, k.no_jwt),
    "bearer": (k.bearer, k.no_bearer),
    "basic": (k.basic, k.no_basic),
    "signed URL": (k.signed_url, k.no_signed_url),
    "cookie": (k.cookie, k.no_cookie),
    "PEM": (k.pem, k.no_pem),
    "password in URL": (k.url_password, k.no_url_password),
    "named value": (k.assigned, k.no_assigned),
}
_EACH = 2000
_AROUND = ("{}", "It is {}.", "({}), as said", "a\n{}\nb", 'He wrote "{}" to us', "see {}; thanks")
_PERSONAL_KINDS = {pattern.kind for pattern in PERSONAL}


@pytest.mark.parametrize("kind", KINDS)
def test_recall_and_precision(
    kind: str, record_property: pytest.RecordProperty, capsys: pytest.CaptureFixture[str]
) -> None:
    make, make_other = KINDS[kind]
    random = Random(kind)
    patterns = [pattern for pattern in PERSONAL if pattern.kind == kind] if kind in _PERSONAL_KINDS else SECRETS
    scrub, mark = Scrubber(patterns), patterns[0].replacement

    def marked(texts: list[str]) -> list[bool]:
        return [mark in scrub(random.choice(_AROUND).format(text)) for text in texts]

    found = marked([make(random) for _ in range(_EACH)]).count(True)
    wrong = marked([make_other(random) for _ in range(_EACH)]).count(True)
    recall, precision = found / _EACH, found / (found + wrong)
    record_property("recall", recall)
    record_property("precision", precision)
    with capsys.disabled():
        print(f"\n{kind:<16} recall {recall:7.2%}  precision {precision:7.2%}", end=" ")
    assert recall >= 0.99
    assert precision >= 0.99
