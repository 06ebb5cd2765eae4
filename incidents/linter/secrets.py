"""What looks like a password, a key or a token."""

from __future__ import annotations

import re
from collections.abc import Iterator

PREFIXES = r"gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|[rsp]k_(?:live|test)_|whsec_|npm_|dop_v1_|SG\."
RANDOM = (  # both cases and digits; a commit or a checksum has only one case
    r"(?<![\w/+.-])(?=[A-Za-z_+/-]*\d[A-Za-z_+/-]*\d)(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])"
    r"[A-Za-z0-9+/_-]{32,}={0,2}(?![\w/+-])"
)
KNOWN = [
    re.compile(pattern)
    for pattern in (
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:(?:[^-]|-(?!----)){0,8000}+-----END [A-Z ]*PRIVATE KEY-----)?",
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,100}:[^\s/]{1,200}@[^\s)>\]`]+",  # user and password in an address
        r"https://hooks\.slack\.com/[\w/]+",
        # Tokens whose makers gave them a prefix by which they can be found
        r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        rf"\b(?:{PREFIXES})[\w.-]{{16,}}",
        r"\bsk-(?:[a-z]{2,8}-)?\w{20,}",
        r"\bAIza[\w-]{35}",
        r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",  # a JSON Web Token
        r"\b(?i:bearer|basic)\s+(?:(?=[\w+/.-]*\d)(?=[\w+/.-]*[a-z])(?=[\w+/.-]*[A-Z])[\w+/.-]{16,}=*|[0-9a-f]{24,}\b)",
        RANDOM,
    )
]

# A value beside a word for a secret
NAMED = (
    r"(?i)\b[\w-]{0,30}(?:(?P<password>passwor[dt]|passwd|pwd|passphrase|passcode|kennwort|contraseña)"
    r"|secret[ _-]?key[ _-]?base|(?:api|access|private|secret)[ _-]?key|secret|token)(?P<plural>s)?\b"
)
VALUE = r"[^\s<>$*{}`'\"“”’,;]{6,200}"
ASSIGNED = [
    re.compile(rf"{NAMED}[\"'`]?\s*(?:=|:|\b(?:is|was|ist|war|es|è)\b)\s*[\"'`]?(?=(?P<value>{VALUE}))"),
    # without a word between: in quotes, or with a mark that prose does not have
    re.compile(rf"{NAMED}\s+[\"'`“‘„](?=(?P<value>{VALUE})[\"'`”’“])"),
    re.compile(rf"{NAMED}\s+(?=\S{{0,200}}[!?#%&@^+=]\S|\S{{0,200}}[#%&@^+=!])(?=(?P<value>{VALUE}))"),
]
# What stands there in prose: what is counted ("3rd-party", "24-hour", "100k/min"), a version or a time, an address or a
# path, an algorithm or a number of something (SHA-256, PBKDF2-SHA256, CVE-2024-3094)
PROSE = re.compile(
    r"v?\d+(?:[.:]\d+)*[A-Za-z]{0,3}(?:[-/.][A-Za-z]*)+|v?\d+(?:[.:]\d+)+[A-Za-z]{0,3}"
    r"|https?://\S*|(?:[a-z0-9-]+(?:\.[a-z0-9-]+)+)?/[a-z0-9_-]+(?:[/.][a-z0-9_{}-]*)*(?:\?\S*)?"
    r"|[A-Z]{2,}\d{0,3}-[A-Z]*\d+(?:-\d+)?"
)
# What many take for a password too: a name with a number ("Node-18", "us-east-1", "us-central1"), a number with a unit
NUMBERED = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*-\d{1,4}[a-z]?|[a-z]+(?:-[a-z]+)+\d{1,2}|v?\d+[A-Za-z]{0,3}")
GOES_ON = re.compile(r"[.:?!)\"'`”’]{0,3}\s{1,3}[a-z]")  # the sentence does


def places(text: str) -> Iterator[tuple[int, int]]:
    """From where to where each stands, none within another."""
    spans = [match.span() for pattern in KNOWN for match in pattern.finditer(text)]
    spans += [
        match.span("value") for pattern in ASSIGNED for match in pattern.finditer(text) if not _is_prose(match, text)
    ]
    end = 0
    for start, stop in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= end:
            end = stop
            yield start, stop


def _is_prose(match: re.Match[str], text: str) -> bool:
    """Whether the value is a part of what is said, as in "the token is invalid"."""
    value = match["value"].rstrip(".:?)")
    is_password = match["password"] and not match["plural"]
    if is_password and value.isdigit():
        return False
    if not re.search(r"\d", value) or not re.search(r"[A-Za-z]", value) or PROSE.fullmatch(value):
        return True
    may_be_named = not is_password or GOES_ON.match(text, match.end("value"))
    return bool(may_be_named and NUMBERED.fullmatch(value))
