"""The words of which generated texts are made; a changed word changes every generated session."""

from __future__ import annotations

_NOUNS = """
account answer archive batch branch bridge budget buffer carrier channel charge client column contract counter
course cursor customer delivery deposit device dividend entry estimate export factory field folder forecast grant
harbour import index invoice journal journey kernel label ledger letter licence margin market matrix member message
meter mirror module network notice offer office order packet parcel parser partner payment permit pipeline policy
portal price product project quarter query queue quota receipt record refund region report request reserve review
route salary sample schema season segment sensor session shipment signal socket statement station storage student
subject summary supplier survey ticket token tracker transfer vehicle vendor version village visitor voucher
warehouse window worker
"""
NOUNS = tuple(_NOUNS.split())

_ADJECTIVES = """
central cheap cold common current daily double final fixed former foreign fresh frozen general hidden higher joint
large late local lower main minor monthly narrow northern partial pending plain private public quiet rapid recent
regular second secure shared silent single slow small southern spare stable steady strict total valid verbose weekly
whole wide
"""
ADJECTIVES = tuple(_ADJECTIVES.split())

_VERBS = """
accept adjust append assign balance cancel check close collect compare convert count deliver divide encode expand
extract fetch filter group insert match measure merge move parse print publish read rebuild reject release remove
rename repeat resolve restore round select send settle shift sort split store submit sum trim update validate verify
weigh write
"""
VERBS = tuple(_VERBS.split())

PEOPLE = (
    ("Amina", "Okafor"),
    ("Bruno", "Carvalho"),
    ("Chloé", "Lefèvre"),
    ("Dana", "Novák"),
    ("Emre", "Güneş"),
    ("Freja", "Sørensen"),
    ("Goran", "Babić"),
    ("Hana", "Kimura"),
    ("Ines", "Moreno"),
    ("Jörg", "Krüger"),
    ("Kofi", "Mensah"),
    ("Łucja", "Wójcik"),
    ("Mei", "Zhang"),
    ("Nadia", "Rahman"),
    ("Owen", "Price"),
    ("Petra", "Hill"),
)
DOMAINS = ("example.org", "mail.example.com", "office.example.net", "school.example.edu")
STATES = ("open", "paid", "pending", "closed", "rejected", "on hold", "in review", "shipped")
SUFFIXES = ("csv", "json", "py", "md", "txt", "java", "xml", "log", "yaml")
LEVELS = ("INFO", "INFO", "INFO", "DEBUG", "INFO", "WARN", "INFO", "ERROR")
FAILURES = (
    "connection refused after three attempts",
    "a value is missing in the second column",
    "permission denied for this folder",
    "expected a number and found a text",
    "the response took longer than allowed",
    "no such file or directory",
    "the checksum does not match the content",
    "unknown option in the request",
)
OPERATIONS = ("mov", "lea", "add", "sub", "cmp", "test", "xor", "and", "shl", "imul")
REGISTERS = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r12", "eax", "ecx")
SENTENCES = (
    "Done: {0}, {1} entries.",
    "Saved {0} with {1} lines.",
    "{0} has {1} new entries.",
    "Nothing to change in {0} after {1} checks.",
    "Updated {0} in {1} ms.",
)
PATTERNS = (
    "The {a} {n} has {c} entries that the {m} does not know.",
    "Before anybody can {v} the {n}, the {m} of {p} has to be {a}.",
    "{p} asked for a {a} {n} of the last {c} days.",
    "Every {m} keeps a {a} {n}, and {c} of them are out of date.",
    "The {n} cannot {v} a {a} {m} on its own.",
    "Please {v} the {n} by the {a} {m}, and name the {c} largest.",
)
THOUGHTS = (
    "I will {v} the {n} first, because the {m} depends on it.",
    "Next the {a} {m} has to {v} what the {n} reported.",
    "This looks right: {c} of the {n} agree with the {m}.",
    "The {n} holds {c} entries; let me {v} the {a} {m} to be sure.",
    "Now I know why the {m} did not {v}: its {n} is {a}.",
    "Let me {v} the {n} and compare it with the {a} {m}.",
)
