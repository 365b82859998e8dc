"""Replaces credentials in text with ``[secret]``.

Providers echo keys in their errors and prompts may hold them. No setting turns this off. The text may be JSON: no
pattern matches a quote, or half of an escape, so JSON stays valid. To add a kind of credential, add a :class:`Pattern`
to :data:`PATTERNS` with an example that matches and one that does not; the tests check both, and the time it takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

#: No credential is shorter.
SHORTEST = 12
_LONGEST_CACHED = 256


@dataclass(frozen=True)
class Pattern:
    """One kind of credential.

    ``gates`` are lower-case substrings, one of which is in every match: a cheap test that most text fails. A group
    ``keep`` in ``regex`` stays in front of the replacement. Every quantifier that something follows is bounded, so that
    a search takes linear time.
    """

    name: str
    gates: tuple[str, ...]
    regex: str
    example: str
    counterexample: str

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        return re.compile(self.regex)

    @cached_property
    def replacement(self) -> str:
        return r"\g<keep>[secret]" if "keep" in self.compiled.groupindex else "[secret]"


def _prefixed(start: str, rest: str, example: str, counterexample: str) -> Pattern:
    """A token that is known by its beginning, which is the start of a word or follows the escape of a line break."""
    literal = re.escape(start)
    regex = rf"{literal}(?:(?<=\b{literal})|(?<=\\[nrt]{literal})){rest}"
    return Pattern(start, (start.lower(),), regex, example, counterexample)


#: Between a name and its value, in headers, JSON, JSON inside of JSON, Python and shell.
_ASSIGNED = r"[\"'\\]{0,4}\s{0,4}[:=]\s{0,4}[\"'\\]{0,4}"
_A = "A1b2C3d4E5f6G7h8I9j0"

PATTERNS: tuple[Pattern, ...] = (
    _prefixed("sk-", r"[\w*-]{12,}", f"sk-proj-{_A}", "a risk-averse-investor, sk-learn"),
    _prefixed("rk-", r"[\w*-]{12,}", f"rk-{_A}", "a network-attached-storage"),
    _prefixed("pk-", r"[\w*-]{12,}", f"pk-lf-{_A}", "an apk-installation-file"),
    _prefixed("sk_", r"(?:live|test)_\w{10,}", f"sk_live_{_A}", "disk_test_results_of_today"),
    _prefixed("rk_", r"(?:live|test)_\w{10,}", f"rk_test_{_A}", "mark_test_results_of_today"),
    _prefixed("gsk_", r"\w{16,}", f"gsk_{_A}", "gsk_model"),
    _prefixed("AIza", r"[\w-]{30,}", f"AIza{_A}-{_A}", "AIzawa"),
    _prefixed("hf_", r"[A-Za-z0-9]{16,}", f"hf_{_A}", "hf_hub_download and hf_transformers_cache"),
    _prefixed("xai-", r"[\w-]{20,}", f"xai-{_A}", "xai-methods"),
    _prefixed("pplx-", r"\w{20,}", f"pplx-{_A}", "pplx-70b-online"),
    _prefixed("nvapi-", r"[\w-]{20,}", f"nvapi-{_A}", "nvapi-client"),
    *(
        _prefixed(start, r"[A-Za-z0-9]{20,}", start + _A, f"{start}token_of_a_repository")
        for start in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")
    ),
    _prefixed("github_pat_", r"\w{20,}", f"github_pat_{_A}", "github_pat_name"),
    _prefixed("glpat-", r"[\w-]{16,}", f"glpat-{_A}", "glpat-name"),
    _prefixed("xox", r"[abeoprs]-[\w-]{10,}", f"xoxb-1234567890-{_A}", "xoxo, xoxb-bot"),
    _prefixed("r8_", r"[A-Za-z0-9]{30,}", f"r8_{_A}{_A}", "r8_convolution"),
    _prefixed("tvly-", r"[\w-]{16,}", f"tvly-{_A}", "tvly-search"),
    _prefixed("lsv2_", r"\w{20,}", f"lsv2_pt_{_A}", "lsv2_name"),
    _prefixed("npm_", r"[A-Za-z0-9]{30,}", f"npm_{_A}{_A}", "npm_config_registry"),
    _prefixed("AKIA", r"[A-Z0-9]{16}\b", "AKIAIOSFODNN7EXAMPLE", "AKIAK"),
    _prefixed("ASIA", r"[A-Z0-9]{16}\b", "ASIAIOSFODNN7EXAMPLE", "ASIA and AUSTRALIA"),
    # The character before is in none of the token's classes: no two searches go over the same text.
    Pattern(
        "JWT",
        ("eyj",),
        r"eyJ(?:(?<![\w.-]eyJ)|(?<=\\[nrt]eyJ))[\w-]{10,1024}\.[\w.-]{10,}",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "eyJ is how the base64 of JSON begins",
    ),
    Pattern("Bearer", ("bearer ",), r"Bearer [\w.~+/=-]{8,}", "Bearer abcdefghijkl", "the Bearer of it"),
    Pattern(
        "bearer",
        ("bearer ", "bearer\t"),
        r"(?i:bearer)\s{1,4}(?=[A-Za-z_.~+/=-]{0,64}[0-9])[\w.~+/=-]{8,}",
        "authorization: bearer abcdef0123456789",
        "the bearer certificates of BEARER authentication",
    ),
    Pattern(
        "Basic",
        ("basic ",),
        r"(?i:basic) (?=[A-Za-z0-9+/]{0,40}?[a-z0-9][A-Z][A-Za-z0-9+/]{0,40}?[a-z0-9][A-Z]|[A-Za-z0-9+/]{6,200}=)"
        r"[A-Za-z0-9+/]{8,}={0,2}",
        "Authorization: Basic dXNlcjpwYXNzd29yZA==",
        "Basic understanding of basic JavaScript and Basic authentication/authorization",
    ),
    Pattern(
        "API key provided",
        ("api key provided: ",),
        r"(?<=API key provided: )[^\s\"',\\]+",
        "Incorrect API key provided: my-own-k**y. You can",
        "no API key provided",
    ),
    Pattern(
        "assigned",
        (
            "_key",
            "-key",
            "ikey",
            "skey",
            "tkey",
            "_token",
            "-token",
            "htoken",
            "stoken",
            "authorization",
            "_secret",
            "-secret",
        ),
        r"(?P<keep>(?i:api[-_]?key|access[-_]?key|account[-_]?key|client[-_]?secret|(?:auth|access|refresh|private)[-_]?token"
        r"|sharedaccess(?:key|signature)|authorization)" + _ASSIGNED + r")"
        r"(?=[A-Za-z_~+/=.-]{0,64}[0-9])[\w~+/=.-]{16,}",
        f'{{"x-api-key": "{_A}"}}',
        'api_key=os.environ["OPENAI_API_KEY_2"] or api_key: str and max_tokens: 1000000000',
    ),
    Pattern(
        "query",
        ("key=", "token=", "sig=", "signature=", "secret=", "password=", "credential="),
        r"(?P<keep>[?&;](?i:(?:api[-_]?|subscription[-_]?)?key|code|(?:access[-_]?|auth[-_]?|id[-_]?)?token|sig"
        r"|(?:client[-_]?)?secret|password|(?:x-(?:amz|goog)-)?(?:signature|credential|security-token))=)"
        r"[^\s&\"'\\<>#]{6,}",
        "https://x.blob.core.windows.net/c?sv=2024&sig=abc%2Fdef%3D&se=1",
        "https://example.com/?page=2&sort=key&monkey=bananas-and-more",
    ),
    Pattern(
        "userinfo",
        ("://",),
        r"(?P<keep>://)(?:[^\s/:@?#\"'\\<>]{0,128}:[^\s/@?#\"'\\<>]{1,256}|[^\s/:@?#\"'\\<>]{16,256})(?=@)",
        "postgres://app:pa55word@db.internal:5432/x",
        "https://example.com:8080/@user and ssh://git@github.com/x",
    ),
    Pattern(
        "cookie",
        ("cookie",),
        r"(?P<keep>(?i:cookie)" + _ASSIGNED + r")[\w.$-]{1,128}=[^\s\"'\\;,<>]{4,4096}"
        r"(?:;\s?[\w.$-]{1,128}=[^\s\"'\\;,<>]{1,4096}){0,64}",
        "Set-Cookie: session=abcdef123; id=42",
        "a cookie: butter, sugar; cookie=yes",
    ),
    Pattern(
        "private key",
        ("-----begin ",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?=(?:\s|\\{1,4}[nr]){0,8}[A-Za-z0-9+/=:-]{8})"
        r"(?:[A-Za-z0-9+/=:,.\s]|\\{1,4}[nrt]|-(?!----)){8,16384}(?:-----END [A-Z0-9 ]{0,40}-----)?",
        "-----BEGIN RSA PRIVATE KEY-----\\nMIIEpAIBAAKCAQEA7\\nabc=\\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY----- is how one begins; -----BEGIN CERTIFICATE-----",
    ),
    Pattern(
        "AWS secret key",
        ("aws", "akia", "asia", "secret"),
        r"(?<![A-Za-z0-9/+=])(?=[a-z0-9/+]{0,39}[A-Z])(?=[A-Z0-9/+]{0,39}[a-z])(?=[A-Za-z/+]{0,39}[0-9])"
        r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
        "the secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY of aws",
        "the secret of commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
    ),
)

#: Every gate once, with the patterns behind it.
_GATES: tuple[tuple[str, tuple[Pattern, ...]], ...] = tuple(
    (gate, tuple(pattern for pattern in PATTERNS if gate in pattern.gates))
    for gate in dict.fromkeys(gate for pattern in PATTERNS for gate in pattern.gates)
)


def without_secrets(text: str) -> str:
    """``text``, which may be JSON, with every credential in it replaced by ``[secret]``."""
    if len(text) < SHORTEST:
        return text
    return _scrub_short(text) if len(text) <= _LONGEST_CACHED else _scrub(text)


def _scrub(text: str) -> str:
    lower = text.lower()
    suspected = {pattern.name: pattern for gate, patterns in _GATES if gate in lower for pattern in patterns}
    for pattern in suspected.values():
        text = pattern.compiled.sub(pattern.replacement, text)
    return text


#: Attributes are short, and the same ones come again and again.
_scrub_short = lru_cache(maxsize=2048)(_scrub)
