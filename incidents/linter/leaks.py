"""What must never become public: secrets, and names that only staff know."""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from django.utils.translation import gettext as _

from incidents.linter import secrets
from incidents.linter.findings import Facts, Finding, Level, Person, Rule
from incidents.linter.phrases import Phrases, spelled
from incidents.linter.prose import Section, as_read, blank, plain, without, words

SHOWN = 6  # characters of a secret that are repeated, to say which

# --- Machines ---------------------------------------------------------------------------------------------------------

DOMAIN = re.compile(r"(?i)(?<![\w@.-])(?:[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\.){1,8}[a-z]{2,24}(?![\w-])(?!\.\w)")
INSIDE = frozenset(
    {"internal", "intern", "corp", "intranet", "intra", "lan", "local", "localdomain", "mgmt", "private"}
)
OPERATED = (  # names of machines and databases that cloud providers give
    ".compute.amazonaws.com",
    ".rds.amazonaws.com",
    ".cache.amazonaws.com",
    ".elb.amazonaws.com",
    ".database.windows.net",
    ".cloudapp.azure.com",
    ".cloudapp.net",
)
LABEL = re.compile(  # in one case: "Node-18" is prose
    r"(?<![\w@./-])(?:[a-z][a-z0-9]{0,40}(?:[_-][a-z0-9]{1,40}){0,8}|[A-Z][A-Z0-9]{0,40}(?:[_-][A-Z0-9]{1,40}){2,8})"
    r"(?![\w-])(?!\.\w)"
)
ROLES = words(
    "api app backend backup bastion batch build cache ci core db database dev dns edge fe frontend fw gateway gw host "
    "jump lb ldap log mail master metrics mq mx nas nfs node ns prd primary prod production proxy queue replica router "
    "runner san server slave smtp srv stage staging stg storage store sw switch test vm vpn web worker"
)
PRODUCTS = words(
    "cassandra consul elastic elasticsearch es etcd grafana haproxy jenkins k8s kafka kube kubernetes memcache "
    "memcached mongo mongodb mysql nginx pg pgsql postgres postgresql prometheus rabbit rabbitmq redis solr vault "
    "zookeeper"
)
ROLE_AND_DIGIT = re.compile(rf"(?:{'|'.join(sorted(ROLES))})\d")  # db1.example.com, where `db1` alone could be anything
GENERATED = re.compile(r"-[0-9a-f]{8,10}-[a-z0-9]{5}$|^i-[0-9a-f]{8,17}$|^ip(?:-\d{1,3}){4}$")

# --- Addresses, people, tickets ---------------------------------------------------------------------------------------

EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}\b")
PUBLIC_MAILBOXES = words(
    "abuse billing contact feedback hello help info legal no-reply noreply press privacy sales security service status "
    "support team"
)
IP = re.compile(
    r"(?<![\w.:-])(?:(?:\d{1,3}\.){3}\d{1,3}|(?=[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:)[0-9A-Fa-f:]{3,39})(?:/\d{1,3}|:\d{1,5})?(?![\w:])(?!\.\d)"
)
VERSION = re.compile(r"(?i)(?:version|release|\bv|driver|build)\s*$")
KNOWN_IPS = frozenset({"1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9"})  # public resolvers
DOCUMENTATION = [
    ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]

TICKET = re.compile(
    r"(?<![\w/-])([A-Z][A-Z0-9]{1,9})-(\d{1,7})(?![\w-])|(?<![\w&#/])#[a-z][a-z0-9_]*-[a-z0-9_-]+|(?<!\w)(?:INC|CHG|PRB|RITM|CS|TASK)\d{5,}\b"
)
STANDARDS = words(
    "AES ANSI BASE CVE CWE COVID DES DIN EC ECMA EIP EN FIPS GPT HTTP IEC IEEE IPV ISO ITU LATIN MD MPEG NIST PCI PEP "
    "PKCS RFC RS RSA SEV SHA SOC SSL TLS UCS UTC GMT UTF WPA"
)
NUMBERED = re.compile(
    r"(?i)\b(?:ticket|issue|case|bug|request|pull request|PR|MR|incident|change|task)s?\s+(?:(?:no\.?|number|id)\s+)?"
    r"(#\d{2,}|\d{6,})\b|(?<![\w&#/])(#\d{3,})\b"
)
HANDLE = re.compile(r"(?<![\w/@.])@([A-Za-z][\w.-]{2,38}\w)(?![/\w])")
NAMES_OF_TIME = words("january march april may june july august sunday monday friday")


def find(sections: Iterable[Section], facts: Facts) -> Iterator[Finding]:
    """Each place once, named by the first rule that knows it: in the source, and in what a reader sees of it."""
    names = Names(facts)
    for section in sections:
        found = sorted(_find(section, facts, names), key=_start)
        yield from found
        for block in as_read(section.text):
            if block.text == section.text[block.start : block.end].strip():
                continue
            here = found[bisect_left(found, block.start, key=_start) : bisect_left(found, block.end, key=_start)]
            known = Counter(map(_said, here))
            for one in _find(Section(section.key, block.text, section.about), facts, names):
                if known[_said(one)]:
                    known[_said(one)] -= 1
                else:
                    line = bisect_left(section.breaks, block.start) + 1
                    placed = replace(one, start=block.start, end=block.end, line=line)
                    insort(found, placed, key=_start)
                    yield placed


def _start(finding: Finding) -> int:
    return finding.start


def _said(finding: Finding) -> tuple[Rule, str]:
    return finding.rule, " ".join(plain(finding.quote).split())


def _find(section: Section, facts: Facts, names: Names) -> Iterator[Finding]:
    text = section.text
    for rule in (_secrets, _emails, _addresses, _machines, _tickets, names.people, names.components):
        found = list(rule(section, text, facts))
        yield from found
        text = without(text, ((one.start, one.end) for one in found))


def _secrets(section: Section, text: str, _facts: Facts) -> Iterator[Finding]:
    for start, stop in secrets.places(text):
        yield section.finding(
            Rule.SECRET,
            start,
            stop,
            _("“%(quote)s…” looks like a password, key or token. Take it out, and replace it where it is in use.")
            % {"quote": text[start : min(stop, start + SHOWN)]},
        )


def _emails(section: Section, text: str, facts: Facts) -> Iterator[Finding]:
    for match in EMAIL.finditer(text):
        address = match.group().lower()
        if re.split("[+@]", address)[0] in PUBLIC_MAILBOXES or address in facts.contacts:
            continue
        yield section.finding(
            Rule.EMAIL_ADDRESS,
            *match.span(),
            _("“%(quote)s” is an e-mail address. Name the address of your support instead, or none.")
            % {"quote": match.group()},
        )


def _addresses(section: Section, text: str, _facts: Facts) -> Iterator[Finding]:
    for match in IP.finditer(text):
        address = match.group().partition("/")[0]
        if "." in address:
            address = address.partition(":")[0]
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            continue
        is_known = found.is_loopback or found.is_unspecified or address in KNOWN_IPS
        if is_known or VERSION.search(text, max(0, match.start() - 20), match.start()):
            continue
        is_routable = found.is_global or any(found in network for network in DOCUMENTATION)
        sentence = (
            _("“%(quote)s” is an IP address. Leave it only if customers need it.")
            if is_routable
            else _("“%(quote)s” is an IP address inside your network. Say what is there instead.")
        )
        yield section.finding(
            Rule.IP_ADDRESS,
            *match.span(),
            sentence % {"quote": match.group()},
            level=Level.WARN if is_routable else Level.BLOCK,
        )


def _machines(section: Section, text: str, facts: Facts) -> Iterator[Finding]:
    sentence = _("“%(quote)s” looks like the name of a machine or of an internal site. Say what it does instead.")
    for match in DOMAIN.finditer(text):
        name = match.group().lower()
        labels = name.split(".")
        if name in facts.hosts or not (
            INSIDE & {*labels}
            or name.endswith(OPERATED)
            or any(is_machine(label) or ROLE_AND_DIGIT.fullmatch(label) for label in labels[:-1])
        ):
            continue
        yield section.finding(Rule.HOSTNAME, *match.span(), sentence % {"quote": match.group()})
    for match in LABEL.finditer(blank(text, DOMAIN)):
        if is_machine(match.group()):
            yield section.finding(Rule.HOSTNAME, *match.span(), sentence % {"quote": match.group()})


def is_machine(label: str) -> bool:
    """Whether this is one of many alike: what it does, with a number (db-prod-03, kafka07), or a generated name."""
    if GENERATED.search(label):
        return True
    parts = re.split("[_-]", label.lower())
    match = re.fullmatch(r"([a-z]*)(\d+)[a-z]?", parts[-1])
    if match is None:
        return False
    word, number = match.groups()
    words = {*parts[:-1], word}
    if len(parts) == 1:
        return bool(words & (ROLES | PRODUCTS)) and len(number) > 1
    is_version = len(parts) == 2 and words <= PRODUCTS | {""} and not number.startswith("0")  # redis-7
    return bool(words & (ROLES | PRODUCTS)) and not is_version and word != "v"


def _tickets(section: Section, text: str, _facts: Facts) -> Iterator[Finding]:
    text = blank(text, HEX_COLOUR)
    spans = [match.span() for match in TICKET.finditer(text) if match.group(1) not in STANDARDS]
    spans += [match.span(1 if match.group(1) else 2) for match in NUMBERED.finditer(text)]
    for start, end in sorted(spans):
        yield section.finding(
            Rule.TICKET,
            start,
            end,
            _("“%(quote)s” looks like a ticket or a channel, which readers cannot open. Leave it out.")
            % {"quote": text[start:end]},
        )


HEX_COLOUR = re.compile(r"#(?=[0-9a-f]*[a-f])[0-9a-f]{6}\b", re.IGNORECASE)


class Names:
    """Names that only staff know, made ready once for many texts."""

    def __init__(self, facts: Facts) -> None:
        self._usernames = {person.username.lower() for person in facts.people}
        written = [way for person in facts.people for way in _written(person)]
        self._people = [
            (Phrases((name, pattern) for name, pattern, level in written if level is each), each)
            for each in (Level.BLOCK, Level.WARN)
        ]
        longest_first = sorted(facts.internal_names, key=len, reverse=True)
        self._components = Phrases((name, rf"(?<!\w){_component(name)}(?!\w)") for name in longest_first)

    def people(self, section: Section, text: str, _facts: Facts) -> Iterator[Finding]:
        sentence = _("“%(quote)s” names a person. Say the role instead: the on-call engineer, the team.")
        for match in HANDLE.finditer(text):
            level = Level.BLOCK if match.group(1).lower() in self._usernames else Level.WARN
            yield section.finding(Rule.PERSON, *match.span(), sentence % {"quote": match.group()}, level=level)
        text = blank(text, HANDLE)
        starts = {row.start + len(row.text) - len(row.text.lstrip()) for row in section.sentences}
        for phrases, level in self._people:
            places = []
            for match in phrases.find(text):
                places.append(match.span())
                if level is Level.WARN and match.start() in starts:  # any word is capitalised there
                    continue
                yield section.finding(Rule.PERSON, *match.span(), sentence % {"quote": match.group()}, level=level)
            text = without(text, places)

    def components(self, section: Section, text: str, _facts: Facts) -> Iterator[Finding]:
        for match in self._components.find(text):
            yield section.finding(
                Rule.INTERNAL_COMPONENT,
                *match.span(),
                _("“%(quote)s” is a component that only staff know. Say what customers know it by.")
                % {"quote": match.group()},
            )


def _written(person: Person) -> Iterator[tuple[str, str, Level]]:
    """How a person is named, the pattern for it, and how sure that is.

    A user name that could be a word (`support`) counts only where it is written as one, in `code`.
    """
    names = person.full_name.split()
    if len(names) > 1:
        yield person.full_name, rf"(?<!\w){spelled(person.full_name)}(?!\w)", Level.BLOCK
    username = re.escape(person.username)
    surname = names[-1].lower() if len(names) > 1 else ""
    is_glued = len(surname) > 3 and surname in person.username.lower() and person.username.lower() != surname
    if is_glued or re.search(r"[\d._-]", person.username):
        yield person.username, rf"(?i:(?<![\w.@-]){username}(?![\w@-])(?!\.\w))", Level.BLOCK
    else:
        yield person.username, rf"(?i:(?<=`){username}(?=`))", Level.BLOCK
    if names and len(names[0]) > 2 and names[0].lower() not in NAMES_OF_TIME:
        yield names[0], rf"(?<!\w){re.escape(names[0])}(?!\w)(?!\s+[A-Z])", Level.WARN


def _component(name: str) -> str:
    """A single word may be one of prose ("search"), but for its capitals."""
    return rf"(?:{name}|{name.upper()})" if name.isalpha() else rf"(?i:{spelled(name)})"
