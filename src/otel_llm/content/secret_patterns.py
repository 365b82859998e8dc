"""The forms of credentials. To add one, add a :class:`.Pattern` with examples and counterexamples.

They are looked for in JSON as it is written: no pattern matches a quote, or half of an escape, so JSON stays valid.
"""

from __future__ import annotations

import re

from .patterns import Pattern, Sign, behind_escape

_KIND = "secret"


def _prefixed(start: str, rest: str, example: str, counterexample: str) -> Pattern:
    """A token that is known by its beginning, which starts a word or a part of a name, or follows an escape."""
    literal = re.escape(start)
    regex = rf"{literal}(?:(?<![A-Za-z0-9]{literal})|{behind_escape(literal)}){rest}"
    examples = (example, *(before + example for before in (r"\u94a5", "key%3D", "\x1b[1;31m", "key_")))
    return Pattern(start, _KIND, regex, examples, (counterexample,), (start.lower(),))


def _placed(
    name: str, sign: Sign, gates: tuple[str, ...], regex: str, example: str, counterexample: str, *more: str
) -> Pattern:
    """A credential that is known by what stands before or around it. ``more`` are further examples."""
    return Pattern(name, _KIND, regex, (example, *more), (counterexample,), gates, sign)


def _some(characters: str) -> str:
    """One of ``characters``, or a slash as some programs escape it in JSON."""
    return rf"(?:[{characters}]|\\{{1,3}}/)"


#: A backslash belongs to a quote here: alone, it may begin another escape of JSON.
_QUOTES = r"(?:\\{0,3}[\"']|\\{1,4}u002[27]){0,3}"
#: White space, as it is or as escapes of JSON.
_SPACE = r"(?:\s|\\{1,4}[nrt])"
_SPACES = _SPACE + "{1,4}"
#: An equals sign, as it is or escaped in JSON or URLs.
_EQUALS = r"(?:=|\\{1,4}u003[dD]|%3[dD])"
_APOSTROPHE = r"(?:'|\\{1,4}u0027)"
#: Between a name and its value, in headers, JSON, JSON inside of JSON, XML, Ruby, Python (lists of pairs, too), shell.
_ASSIGNED = (
    rf"(?:{_QUOTES}{_SPACE}{{0,4}}(?:[:=]>?|>|{_EQUALS}){_SPACE}{{0,4}}{_QUOTES}"
    rf"|{_APOSTROPHE},\s{{0,4}}b?{_APOSTROPHE})"
)
#: Two slashes, as they are or escaped in JSON.
_SLASHES = r"/\\{0,3}/"
#: A cookie's name and the quote of its value. No text follows the quote that closes a string of JSON.
_COOKIE_NAME = r"[\w.$-]{1,128}" + _EQUALS + r"(?:(?:\\{0,3}[\"']|\\{1,4}u002[27])(?=[\w+/%-]))?"
_COOKIE_CHARACTER = _some(r"^\s\"'\\;,<>")
#: What is in a password of a URL; other programs escape some of it in JSON.
_PASSWORD = r"[^\s/@?\"'\\<>]{0,256}(?:\\{1,2}u[0-9A-Fa-f]{4}[^\s/@?\"'\\<>]{0,256}){0,8}"
#: Behind a top-level domain, or the last number of an address.
_HOST_ENDS = "|".join(rf"(?<=\.\w{{{length}}}:)" for length in range(1, 6))
#: A capital letter behind another character of base64: two of them are rare in words.
_CAMEL = r"[A-Za-z0-9+/]{0,40}?(?:\\{1,3}/[A-Za-z0-9+/]{0,40}?){0,2}?[a-z0-9][A-Z]"
_BEARER, _BASE64 = _some(r"\w.~+/=-"), _some("A-Za-z0-9+/")
_A = "A1b2C3d4E5f6G7h8I9j0"
_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
_HEX = "0123456789abcdef0123456789abcdef"

#: Tokens by their beginnings.
_TOKENS = (
    _prefixed("sk-", r"[\w*-]{12,}", f"sk-proj-{_A}", "a risk-averse-investor, sk-learn"),
    _prefixed("rk-", r"[\w*-]{12,}", f"rk-{_A}", "a network-attached-storage"),
    _prefixed("pk-", r"[\w*-]{12,}", f"pk-lf-{_A}", "an apk-installation-file"),
    _prefixed("sk_", r"(?:live|test)_\w{10,}", f"sk_live_{_A}", "disk_test_results_of_today"),
    _prefixed("rk_", r"(?:live|test)_\w{10,}", f"rk_test_{_A}", "mark_test_results_of_today"),
    _prefixed("gsk_", r"\w{16,}", f"gsk_{_A}", "gsk_model"),
    _prefixed("csk-", r"[\w-]{20,}", f"csk-{_A}", "csk-models"),
    _prefixed("AIza", r"[\w-]{30,}", f"AIza{_A}-{_A}", "AIzawa"),
    _prefixed("GOCSPX-", r"[\w-]{20,}", f"GOCSPX-{_A}", "GOCSPX-client"),
    _prefixed("ya29.", r"[\w-]{20,}", f"ya29.{_A}", "ya29.5 and ya29.example"),
    _prefixed("hf_", r"[A-Za-z0-9]{16,}", f"hf_{_A}", "hf_hub_download and hf_transformers_cache"),
    _prefixed("xai-", r"[\w-]{20,}", f"xai-{_A}", "xai-methods"),
    _prefixed("pplx-", r"\w{20,}", f"pplx-{_A}", "pplx-70b-online"),
    _prefixed("nvapi-", r"[\w-]{20,}", f"nvapi-{_A}", "nvapi-client"),
    _prefixed("fw_", r"[A-Za-z0-9]{20,}", f"fw_{_A}", "fw_models and fw_version_of_today"),
    _prefixed("tgp_v1_", r"[\w-]{20,}", f"tgp_v1_{_A}", "tgp_v1_models"),
    _prefixed("pcsk_", r"\w{20,}", f"pcsk_{_A}", "pcsk_index"),
    *(
        _prefixed(start, r"[A-Za-z0-9]{20,}", start + _A, f"{start}token_of_a_repository")
        for start in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")
    ),
    _prefixed("github_pat_", r"\w{20,}", f"github_pat_{_A}", "github_pat_name"),
    _prefixed("glpat-", r"[\w-]{16,}", f"glpat-{_A}", "glpat-name"),
    _prefixed("glsa_", r"\w{20,}", f"glsa_{_A}_0a1b2c3d", "glsa_name"),
    _prefixed("xox", r"[abeoprs]-[\w-]{10,}", f"xoxb-1234567890-{_A}", "xoxo, xoxb-bot"),
    _prefixed("xapp-", r"\d-[\w-]{10,}", f"xapp-1-A0123-456-{_A}", "xapp-1-name"),
    _prefixed("r8_", r"[A-Za-z0-9]{30,}", f"r8_{_A}{_A}", "r8_convolution"),
    _prefixed("tvly-", r"[\w-]{16,}", f"tvly-{_A}", "tvly-search"),
    _prefixed("lsv2_", r"\w{20,}", f"lsv2_pt_{_A}", "lsv2_name"),
    _prefixed("npm_", r"[A-Za-z0-9]{30,}", f"npm_{_A}{_A}", "npm_config_registry"),
    _prefixed("pypi-", r"[\w-]{30,}", f"pypi-{_A}{_A}", "pypi-publish"),
    _prefixed("dop_v1_", r"[a-f0-9]{32,}", f"dop_v1_{_HEX}{_HEX}", "dop_v1_droplet"),
    _prefixed("dapi", r"[a-f0-9]{32}", f"dapi{_HEX}", "dapi and dapifactory"),
    _prefixed("shp", r"(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", f"shpat_{_HEX}", "shpat_shop"),
    _prefixed("lin_api_", r"\w{20,}", f"lin_api_{_A}", "lin_api_client"),
    _prefixed("ntn_", r"[A-Za-z0-9]{30,}", f"ntn_{_A}{_A}", "ntn_page"),
    _prefixed("hvs.", r"[\w-]{20,}", f"hvs.{_A}", "hvs.yaml"),
    _prefixed("SG.", r"[\w-]{16,64}\.[\w-]{16,64}", f"SG.{_A}.{_A}{_A}", "SG.example.com and SG.A"),
    _prefixed("AKIA", r"[A-Z0-9]{16}(?![A-Z0-9])", "AKIAIOSFODNN7EXAMPLE", "AKIAK"),
    _prefixed("ASIA", r"[A-Z0-9]{16}(?![A-Z0-9])", "ASIAIOSFODNN7EXAMPLE", "ASIA and AUSTRALIA"),
    # A search for the end of the first part ends where another may begin: no two go over the same text.
    Pattern(
        "JWT",
        _KIND,
        rf"eyJ(?:(?<![A-Za-z0-9]eyJ)|{behind_escape('eyJ')})(?=[\w-]{{10}})"
        rf"[A-Za-z0-9]{{0,16384}}(?:[_-](?!eyJ)[A-Za-z0-9]{{0,16384}}){{0,4096}}\.[\w.-]{{10,}}",
        (
            _JWT,
            rf"\u94a5{_JWT}",
            f"token%3D{_JWT}",
            f"\x1b[1m{_JWT}",
            f"id_token_{_JWT}",
            f"eyJ{_A * 60}.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",  # a header that has certificates
        ),
        ("eyJ is how the base64 of JSON begins",),
        ("eyj",),
    ),
)

#: Credentials by what stands before them or around them.
_PLACED = (
    _placed("Bearer", Sign.TEXT, ("bearer",), rf"Bearer {_BEARER}{{8,}}", "Bearer abcdefghijkl", "the Bearer of it"),
    _placed(
        "bearer",
        Sign.TEXT,
        ("bearer",),
        r"[bB](?i:earer)(?:"
        + _SPACES
        + rf"|\s{{0,2}}(?::|{_EQUALS})\s{{0,2}})(?="
        + _some("A-Za-z_.~+/=-")
        + "{0,64}[0-9])"
        + _BEARER
        + "{8,}",
        "bearer abcdef0123456789",
        "the bearer certificates of BEARER authentication",
        r"bearer\nabcdef0123456789",
        "bearer=abcdef0123456789",
        "Bearer: abcdef0123456789",
        r"bearer abc\/def0123456789",
    ),
    _placed(
        "authorization",
        Sign.TEXT,
        ("authorization",),
        r"(?P<keep>[aA](?i:uthorization)" + _ASSIGNED + r"(?i:bearer|token)" + _SPACES + ")" + _BEARER + "{16,}",
        "authorization: bearer abcdefghijklmnopqrst",
        "authorization: bearer certificates of the owner",
    ),
    _placed(
        "Basic",
        Sign.TEXT,
        ("basic",),
        r"[bB](?i:asic)" + _SPACES + rf"(?={_CAMEL}{_CAMEL}|[A-Za-z0-9+/]{{6,200}}=){_BASE64}{{8,}}={{0,2}}",
        "Basic dXNlcjpwYXNzd29yZA==",
        "Basic understanding of basic JavaScript and Basic authentication/authorization",
        "Basic  dXNlcjpwYXNzd29yZHh5",
        r"Basic\ndXNlcjpwYXNzd29yZHh5",
        r"Basic dXNl\/jpwYXNzd29yZHh5",
    ),
    _placed(
        "API key provided",
        Sign.TEXT,
        ("api key provided: ",),
        r"(?P<keep>API key provided: )[^\s\"',\\]+",
        "Incorrect API key provided: my-own-k**y. You can",
        "no API key provided",
    ),
    _placed(
        "assigned",
        Sign.VALUE,
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
        r"(?P<keep>[aAcCrRpPsS](?:(?<=[aA])(?i:pi[-_]?key|ccess[-_]?key|ccount[-_]?key|(?:uth|ccess)[-_]?token|uthorization)"
        r"|(?<=[cC])(?i:lient[-_]?secret)|(?<=[rR])(?i:efresh[-_]?token)|(?<=[pP])(?i:rivate[-_]?token)"
        r"|(?<=[sS])(?i:haredaccess(?:key|signature)))" + _ASSIGNED + r")"
        r"(?=" + _some("A-Za-z_~+/=.-") + "{0,64}[0-9])" + _some(r"\w~+/=.-") + "{16,}",
        f'{{"x-api-key": "{_A}"}}',
        'api_key=os.environ["OPENAI_API_KEY_2"] or api_key: str and max_tokens: 1000000000',
        f"(b'x-api-key', b'{_A}')",
        rf"{{\u0022api_key\u0022:\u0022{_A}",
        rf'"AccountKey": "ab\/{_A}',
        f"<apiKey>{_A}",
        f"api_key%3D{_A}",
    ),
    _placed(
        "password",
        Sign.TEXT,
        ("password", "passwd", "passphrase", "pwd"),
        r"(?P<keep>[pP](?i:assword|asswd|assphrase|wd)" + _ASSIGNED + r")(?![/~.\\])"
        r"(?=[^\s\"'\\,;<>()\[\]{}0-9]{0,64}[0-9])[^\s\"'\\,;<>()\[\]{}]{6,128}",
        "DB_PASSWORD=hunter2",
        "password: str, password=get(1), PWD=/home/user1 and passwords: 8 characters",
        '{"password": "12#hunter',
        "Server=db;Pwd=hunter2",
    ),
    _placed(
        "query",
        Sign.WORD,
        ("key=", "token=", "sig=", "signature=", "secret=", "password=", "credential=", "code=", "u003d", "%3d"),
        r"(?P<keep>[?&;6fF](?:(?<=[?&;])|(?<=\\u0026)|(?<=\\u003[fF])|(?<=%26)|(?<=%3[fF]))(?i:(?:api[-_]?|subscription[-_]?)?key|code|(?:access[-_]?|auth[-_]?|id[-_]?)?token|sig"
        r"|(?:client[-_]?)?secret|password|(?:x-(?:amz|goog)-)?(?:signature|credential|security-token))"
        + _EQUALS
        # A password may have "#". A fragment behind another credential is lost with it.
        + ")"
        + _some(r"^\s&\"'\\<>")
        + "{6,}",
        "https://x.blob.core.windows.net/c?sv=2024&sig=abc%2Fdef%3D&se=1",
        "https://example.com/?page=2&sort=key&monkey=bananas-and-more",
        r"?page=2\u0026key=abcdefgh12",
        r"?sig\u003dabcdefgh12",
        "to=https%3A%2F%2Fexample.com%3Ftoken%3Dabcdefgh12",
        r"?sig=ab\/cd\/ef\/12",
        "?password=12#hunter",
    ),
    _placed(
        "userinfo",
        Sign.WORD,
        ("//", "/\\"),
        # A password may have "@" and "#", but a fragment may follow the port of a host.
        rf"(?P<keep>{_SLASHES})(?:[^\s/:@?#\"'\\<>]{{0,128}}:(?!(?:(?<=localhost:)|{_HOST_ENDS})\d{{1,5}}#)"
        rf"(?!@){_PASSWORD}(?:@{_PASSWORD}){{0,3}}"
        r"|(?:(?<=://)|(?<=:\\/\\/)|(?<=:\\\\/\\\\/)|(?<=:\\\\\\/\\\\\\/))(?:[^\s/:@?#\"'\\<>]{16,256}|(?=[A-Za-z_-]{0,15}[0-9])[^\s/:@?#\"'\\<>]{8,15}))(?=@)",
        "postgres://app:pa55word@db.internal:5432/x",
        "https://example.com:8080/@user and ssh://git@github.com/x and http://localhost:3000#a@b and http://10.1.2.3:80#a@b",
        "https://tok123456@example.com/x",
        "//user:passw0rd@example.com",
        "postgresql://u:pw12#x@db/x",
        "https://user:p@ss:word@example.com",
        r"https:\/\/user:passw0rd@example.com",
        r"https:\\/\\/tok123456@example.com",
        "redis://user:123#abc@db",
        r"amqp://user:pass\u0026word@mq",
    ),
    _placed(
        "cookie",
        Sign.TEXT,
        ("cookie",),
        r"(?P<keep>[cC](?i:ookie)"
        + _ASSIGNED
        + r")"
        # A short value alone may be any text; followed by another name, it is a header's.
        + rf"{_COOKIE_NAME}(?:{_COOKIE_CHARACTER}{{4,4096}}|{_COOKIE_CHARACTER}{{0,3}}(?=;\s?[\w.$-]{{1,64}}{_EQUALS}))"
        + rf"(?:(?:\\{{0,3}}[\"'])?;\s?{_COOKIE_NAME}{_COOKIE_CHARACTER}{{1,4096}}){{0,64}}",
        "Set-Cookie: session=abcdef123; id=42",
        "a cookie: butter, sugar; cookie=yes",
        "Cookie: lang=en; sessionid=qwe8787rtyzz",
        'Cookie: sessionid="qwe8787rtyzz',
        "('cookie', 'sessionid=qwe8787rtyzz",
        "(b'cookie', b'sessionid=qwe8787rtyzz",
    ),
    _placed(
        "private key",
        Sign.WORD,
        ("-----begin",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?=(?:[\s>]|\\{1,4}[nr]){0,24}(?:[A-Za-z0-9+/=:-]|\\{1,3}/){8})"
        r"(?:[A-Za-z0-9+/=:,.\s>]|\\{1,4}[nrt/]|-(?!----)){8,16384}(?:-----END [A-Z0-9 ]{0,40}-----)?",
        "-----BEGIN RSA PRIVATE KEY-----\\nMIIEpAIBAAKCAQEA7\\nabc=\\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY----- is how one begins; -----BEGIN CERTIFICATE-----",
        "-----BEGIN PRIVATE KEY-----\n> MIIEvQIBADANBg\n> -----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n          MIIEvQIBADANBg\n          -----END PRIVATE KEY-----",
    ),
    _placed(
        "AWS secret key",
        Sign.VALUE,
        ("aws", "akia", "asia", "secret"),
        # A slash at the beginning is no escaped one: half of an escape would stay.
        rf"[A-Za-z0-9/+](?:(?<![A-Za-mo-qsu-z0-9/+].)(?<![^\\][nrt].)|(?<=\\u[0-9A-Fa-f]{{4}}.))(?<!\\/)"
        rf"(?:(?<=[A-Z])|(?={_some('a-z0-9/+')}{{0,38}}[A-Z]))(?:(?<=[a-z])|(?={_some('A-Z0-9/+')}{{0,38}}[a-z]))"
        rf"(?:(?<=[0-9])|(?={_some('A-Za-z/+')}{{0,38}}[0-9])){_BASE64}{{39}}(?![A-Za-z0-9/+=]|\\{{1,3}}/)",
        "the secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY of aws",
        "the secret of commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
        r"the secret wJalrXUtnFEMI\/K7MDENG\/bPxRfiCYEXAMPLEKEY of aws",
        "AWS_SECRET=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ),
)

PATTERNS: tuple[Pattern, ...] = (*_TOKENS, *_PLACED)
