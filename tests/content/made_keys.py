"""Makes credentials of every form by chance, and texts that look like them but are none."""

# ruff: noqa: E501

from __future__ import annotations

import base64
import json
import string
from random import Random

from content.made_people import ALNUM, WORDS, digits, of

_KEYS: tuple[tuple[str, str, int], ...] = (
    *((start, ALNUM, 40) for start in ("sk-proj-", "sk-ant-api03-", "sk-or-v1-", "rk-", "pk-lf-", "gsk_", "csk-", "hf_", "xai-")),
    *((start, ALNUM, 40) for start in ("nvapi-", "fw_", "tgp_v1_", "pcsk_", "ghp_", "gho_", "github_pat_", "glpat-", "r8_")),
    *((start, ALNUM, 40) for start in ("tvly-", "lsv2_pt_", "npm_", "pypi-", "lin_api_", "ntn_", "hvs.", "pplx-", "sk_live_")),
    *((start, string.hexdigits[:16], 32) for start in ("dapi", "shpat_", "dop_v1_")),
    ("AIza", ALNUM, 35), ("GOCSPX-", ALNUM, 28), ("AKIA", string.ascii_uppercase + string.digits, 16), ("ya29.", ALNUM, 60),
)  # fmt: skip


def key(random: Random) -> str:
    start, characters, length = random.choice(_KEYS)
    return start + of(random, characters, length)


def no_key(random: Random) -> str:
    start, _, _ = random.choice(_KEYS)
    word = random.choice(WORDS)
    return random.choice(
        (
            f"{start}{word[:3]}",
            f"a{start}{word[:3]}",
            f"{word}-{start}{word[:2]}",
            f"risk-{word}-task",
            f"{word}_token_count",
        )
    )


def _segment(random: Random, value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def jwt(random: Random) -> str:
    head, body = (
        _segment(random, {"alg": "HS256", "kid": of(random, ALNUM, 4)}),
        _segment(random, {"sub": digits(random, 9)}),
    )
    return f"{head}.{body}.{of(random, ALNUM + '-_', 43)}"


def no_jwt(random: Random) -> str:
    return random.choice(
        (
            f"eyJ{of(random, ALNUM, 5)}",
            f"key{of(random, ALNUM, 20)}.{of(random, ALNUM, 20)}",
            f"eye{of(random, ALNUM, 20)}",
        )
    )


def bearer(random: Random) -> str:
    return f"{random.choice(('Authorization: Bearer ', 'bearer ', 'Bearer '))}{of(random, ALNUM, 20, 60)}{random.randint(0, 9)}"


def no_bearer(random: Random) -> str:
    word = random.choice(WORDS)
    return random.choice(
        (f"the bearer {word}-certificates", f"bearer of {word}", f"Bearer of {word}", f"a bearer {word}")
    )


def basic(random: Random) -> str:
    pair = f"{random.choice(WORDS)}:{of(random, ALNUM, 12, 20)}"
    return f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}"


def no_basic(random: Random) -> str:
    word = random.choice(WORDS)
    return random.choice(
        (
            f"Basic {word} understanding",
            f"a basic {word}",
            f"Basic authentication/{word}",
            f"basic {word.title()}Script",
        )
    )


def signed_url(random: Random) -> str:
    name = random.choice(
        ("X-Amz-Signature", "sig", "key", "api-key", "token", "access_token", "X-Goog-Signature", "code")
    )
    return (
        f"https://{random.choice(WORDS)}.example.com/{random.choice(WORDS)}?page=2&{name}={of(random, ALNUM, 16, 64)}"
    )


def no_signed_url(random: Random) -> str:
    word = random.choice(WORDS)
    return f"https://{word}.example.com/{word}?{random.choice(('sort=key', 'monkey=', 'page=', 'q=token', 'design='))}{word}s-and-more"


def cookie(random: Random) -> str:
    return f"{random.choice(('Cookie', 'Set-Cookie', 'cookie'))}: {random.choice(('sid', 'session', 'auth'))}={of(random, ALNUM, 16, 40)}; Path=/"


def no_cookie(random: Random) -> str:
    word = random.choice(WORDS)
    return random.choice(
        (f"a cookie: {word}, sugar", f"cookie={word}", f"cookies and {word}={word}", f"Cookie: {word}")
    )


def pem(random: Random) -> str:
    kind = random.choice(("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "))
    lines = "\n".join(of(random, ALNUM + "+/", 64) for _ in range(random.randint(2, 6)))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----"


def no_pem(random: Random) -> str:
    kind = random.choice(("CERTIFICATE", "PUBLIC KEY", "CERTIFICATE REQUEST"))
    return f"-----BEGIN {kind}-----\n{of(random, ALNUM + '+/', 60)}\n-----END {kind}-----"


def url_password(random: Random) -> str:
    scheme = random.choice(("postgres", "redis", "https", "amqp", "mongodb+srv"))
    return f"{scheme}://{random.choice(WORDS)}:{of(random, ALNUM, 8, 24)}@db.example.com:5432/x"


def no_url_password(random: Random) -> str:
    word = random.choice(WORDS)
    return random.choice(
        (f"https://{word}.example.com:8080/@{word}", f"https://example.com/{word}:x", f"ssh://git@{word}.example.com/x")
    )


def assigned(random: Random) -> str:
    name = random.choice(
        ("api_key", "apikey", "x-api-key", "client_secret", "access_token", "AccountKey", "auth_token")
    )
    return random.choice(("{}={}", '{}: "{}"', '"{}": "{}"', "{} = '{}'")).format(
        name, of(random, ALNUM, 24, 48) + digits(random, 2)
    )


def no_assigned(random: Random) -> str:
    word = random.choice(WORDS)
    return random.choice(
        (
            f"api_key=os.environ[{word.upper()}_API_KEY]",
            f"api_key: str = {word}",
            f"access_token: {word}",
            f"max_tokens={digits(random, 10)}",
            f"primary_key: {word}",
        )
    )
