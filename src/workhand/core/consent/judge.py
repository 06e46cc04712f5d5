"""Judge an action by rules and by what people have answered before.

Trust grows: after ``trust_after`` approvals of the same rule for the same subject, with no refusal since, the like is
no longer asked for.  What cannot be undone is asked for every time.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from workhand.core.consent.action import Action, subject
from workhand.core.consent.rules import Answer, Rule, Verdict
from workhand.core.consent.running import Part
from workhand.core.consent.written import MULTIPLE, operands

SEVERITY: tuple[Verdict, ...] = ("allow", "ask", "deny")


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    rule: str = ""  # no rule: nothing speaks against it
    subject: str = ""
    why: str = ""
    irreversible: bool = False


ALLOWED = Judgement("allow")


def judge(action: Action, rules: tuple[Rule, ...], answers: tuple[Answer, ...], trust_after: int) -> Judgement:
    """Give the strictest of what is to be said about the parts of an action."""
    found = [_heard(_of(action, part, rules), answers, trust_after, action.host != "") for part in action.parts]
    return max(found, key=lambda each: (SEVERITY.index(each.verdict), each.irreversible), default=ALLOWED)


def _of(action: Action, part: Part, rules: Iterable[Rule]) -> Judgement:
    for rule in rules:
        if holds(rule, action, part):
            return Judgement(rule.verdict, rule.name, subject(action, part), rule.why, rule.irreversible)
    return ALLOWED


def _heard(judged: Judgement, answers: tuple[Answer, ...], trust_after: int, is_contact: bool) -> Judgement:
    """Let earlier answers stand for the one that would be asked for.

    A request cannot wait for its answer: it is refused, asked about, and made again; or it is what an act in the
    browser sends that was asked about.  So an answer for now is for what comes while it is among the answers.
    """
    if judged.verdict != "ask":
        return judged
    approvals = 0
    lasting = now = False
    for answer in answers:
        if (answer.rule, answer.subject) != (judged.rule, judged.subject):
            continue
        if answer.scope == "now":
            now = is_contact
            continue
        approvals = approvals + 1 if answer.allowed else 0
        now = now and answer.allowed
        lasting = answer.allowed if answer.scope != "once" else lasting and answer.allowed
    if not now and (judged.irreversible or not (lasting or 0 < trust_after <= approvals)):
        return judged
    return Judgement("allow", judged.rule, judged.subject, judged.why)


def holds(rule: Rule, action: Action, part: Part) -> bool:
    """Say whether all that a rule states is so of one part of an action."""
    arguments = dict(action.arguments)
    return (
        (not rule.tools or _any(rule.tools, action.tool))
        and (not rule.hosts or (action.host != "" and _any(rule.hosts, action.host)))
        and (not rule.methods or action.method in rule.methods)
        and (rule.amount_above is None or (action.amount is not None and action.amount > rule.amount_above))
        and not (rule.unnamed and action.named)
        and (not rule.opaque or part.opaque)
        and (not rule.outside or bool(part.outside))
        and (not rule.paths or any(_any(rule.paths, path) for path in part.paths))
        and (not rule.commands or any(runs(pattern, part.words) for pattern in rule.commands))
        and all(re.search(pattern, arguments.get(name, "")) for name, pattern in rule.arguments)
    )


def runs(pattern: str, words: tuple[str, ...]) -> bool:
    """Say whether a command is of a pattern; the language is described in ``rules``."""
    if not words:
        return False
    program = posixpath.basename(words[0])
    wanted = [word.split("|") for word in pattern.split()]
    plain = [each for each in wanted if not each[0].startswith(("-", "!"))]
    if not plain or not _any(plain[0], program):
        return False
    given = operands(program, words)
    if program in MULTIPLE and plain[1:] and not _any(plain[1], "".join(given[:1])):
        return False
    rest = iter(given)
    return all(any(_any(each, word) for word in rest) for each in plain[1:]) and all(
        any(_has_option(each.removeprefix("!"), word) for each in options for word in words[1:])
        is not options[0].startswith("!")
        for options in wanted
        if options[0].startswith(("-", "!"))
    )


def _has_option(option: str, word: str) -> bool:
    if option.startswith("--") or len(option) != 2:
        return fnmatchcase(word.partition("=")[0], option)
    return word.startswith("-") and not word.startswith("--") and option[1] in word[1:]


def _any(patterns: Iterable[str], text: str) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)
