"""Decide what of a machine's requests may leave: by hosts, by rules, by answers, by what they say.

Whatever is decided is kept until the session's log takes it: what was allowed as counts for each host and rule, what
was refused one by one, within a bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial

import anyio
import anyio.to_process

from workhand.core.consent.action import Action
from workhand.core.consent.action import contact as contact_with
from workhand.core.consent.judge import Judgement, judge
from workhand.core.consent.rules import Answer
from workhand.core.events import HostContacted
from workhand.core.policy import Approvals, Network
from workhand.guard.egress.hosts import covers, matches
from workhand.guard.exchange import Outgoing, Redactor, Ruling
from workhand.guard.placing import StreamRedactor, is_for, placed
from workhand.guard.scan import Finding, Needle, scan, squeezed
from workhand.guard.secrets import Held

NETWORK = "network"  # the rule that is the session's network itself
PACKAGES = "packages"  # and the one by which packages are given to it, each as packages:NAME
INLINE_BYTES_MAX = 16 << 10  # what is searched at once, and not in another process
SCAN_S = 20.0
REFUSALS_MAX = 100  # that are kept until the log takes them
WINDOW_BYTES = 4_096  # of short values, over requests to one host
SHORT_BYTES_MAX = 64


@dataclass(slots=True)
class Window:
    """Short values of earlier requests and messages to a host, in order: a secret may be sent in pieces."""

    content: bytes = b""

    def with_values(self, said: Iterable[bytes]) -> bytes:
        values = [squeezed(each) for each in said]
        short = b"".join(each for each in values if len(each) <= SHORT_BYTES_MAX)
        return (self.content + short)[-WINDOW_BYTES:]


@dataclass
class Keeper:
    """The gatekeeper of one session's machine."""

    network: Network
    approvals: Approvals
    held: tuple[Held, ...] = ()
    answers: tuple[Answer, ...] = ()
    fixed: bool = False  # which hosts may be reached is stated, and no answer adds to them
    requests: int = 0
    sent_bytes: int = 0
    windows: dict[str, Window] = field(default_factory=dict)
    allowed: dict[tuple[str, str], HostContacted] = field(default_factory=dict)
    refusals: list[HostContacted] = field(default_factory=list)

    def heed(self, answers: tuple[Answer, ...]) -> None:
        self.answers = answers

    # -- deciding ------------------------------------------------------------------------

    def names(self, host: str, port: int) -> bool:
        """Say whether the session's network names a host."""
        return any(matches(pattern, host, port) for pattern in self.network.hosts)

    def knows(self, host: str, port: int) -> bool:
        """Say whether a host is named, or a person has allowed it."""
        return self.names(host, port) or self._granted(host)

    def permits_address(self, host: str, port: int) -> bool:
        """Only a host that is named with its port may be somewhere that is not public."""
        exact = [pattern for pattern in self.network.hosts if pattern.rpartition(":")[2] == str(port)]
        return any(matches(pattern, host, port) for pattern in exact if not pattern.startswith("*"))

    def contact(self, host: str, port: int) -> Ruling:
        joined = host.replace(".", "").encode()
        if leaks := scan(
            [("host", joined), ("host", joined.upper())], self._needles()
        ):  # base32 is written in capitals
            return _leaking(leaks)
        public = self.network.mode == "open" and port in (80, 443)
        if public or self.knows(host, port):
            return Ruling(True, NETWORK)
        if self.fixed:
            return Ruling(False, NETWORK, f"{host}:{port} is not among the hosts that are stated for this program.")
        asks = self.approvals.asked == "person"
        reason = f"{host}:{port} is not among the hosts that this session may reach"
        return Ruling(False, NETWORK, f"{reason}; the user can allow it." if asks else f"{reason}.", asks)

    def use(self, subject: str, what: str, kind: str = "mcp") -> Ruling:
        """Decide about something that is reached otherwise than as a host, such as a tool of an MCP server."""
        action = Action(kind, what, host=subject, named=True)
        judged = judge(action, self.approvals.rules, self.answers, self.approvals.trust_after)
        if judged.verdict == "allow" or (judged.verdict == "ask" and self.approvals.asked == "never"):
            return Ruling(True, judged.rule)
        ruling = self._not_allowed(judged)
        self.refused(subject, 0, what, ruling)
        return ruling

    async def package(self, project: str, what: str, *, leaves: bool) -> Ruling:
        """Decide about a package that is asked for by its name, which ``leaves`` when the index has to be asked."""
        ruling = self.use(f"{PACKAGES}:{project}", what, PACKAGES)
        if not ruling.allowed or not leaves:
            return ruling
        said = _wish(PACKAGES, project)
        parts = [("name", project.encode()), ("name", project.upper().encode())]
        refusal = self._spend(said)
        if refusal is None and (found := await self._searched(parts) or self._in_pieces(PACKAGES, [project.encode()])):
            refusal = _leaking(found)
        if refusal is not None:
            self.refused(PACKAGES, 0, "the page of a package", refusal)
        return refusal or ruling

    async def inspect(self, outgoing: Outgoing) -> Ruling:
        if spent := self._spend(outgoing):
            return spent
        ruling = self._by_rules(outgoing)
        if not ruling.allowed:
            return ruling
        found = await self._searched(_parts(outgoing)) or self._in_pieces(outgoing.host, _values(outgoing))
        return _leaking(found) if found else ruling

    async def inspect_message(self, outgoing: Outgoing, message: bytes) -> Ruling:
        if self.sent_bytes + len(message) > self.network.sent_bytes_max:
            return Ruling(False, "budget", f"this session may send {self.network.sent_bytes_max:,} bytes in all.")
        self.sent_bytes += len(message)
        found = await self._searched([("message", message)]) or self._in_pieces(
            outgoing.host, [message[: SHORT_BYTES_MAX + 1]]
        )
        return _leaking(found) if found else Ruling(True, NETWORK)

    def _spend(self, outgoing: Outgoing) -> Ruling | None:
        """Count a request against what the session may send; say so if that is used up."""
        if self.requests >= self.network.requests_max:
            return Ruling(False, "budget", f"this session has made its {self.network.requests_max:,} requests.")
        if self.sent_bytes + len(outgoing.body) > self.network.sent_bytes_max:
            return Ruling(False, "budget", f"this session may send {self.network.sent_bytes_max:,} bytes in all.")
        self.requests += 1
        self.sent_bytes += len(outgoing.body)
        return None

    def _by_rules(self, outgoing: Outgoing) -> Ruling:
        named = self.knows(outgoing.host, outgoing.port)
        action = contact_with(outgoing.host, outgoing.method, outgoing.target, named=named)
        judged = judge(action, self.approvals.rules, self.answers, self.approvals.trust_after)
        if judged.verdict == "allow" or (judged.verdict == "ask" and self.approvals.asked == "never"):
            return Ruling(True, judged.rule or NETWORK)
        return self._not_allowed(judged)

    def _not_allowed(self, judged: Judgement) -> Ruling:
        asks = judged.verdict == "ask" and self.approvals.asked == "person"
        return Ruling(
            False, judged.rule, judged.why + (" The user can allow it." if asks else ""), asks, judged.irreversible
        )

    def _granted(self, host: str) -> bool:
        """Say whether a person allowed this host, the latest answer counting."""
        if self.fixed:
            return False
        about = [answer for answer in self.answers if answer.subject == host and answer.rule == NETWORK]
        given = [answer for answer in about if answer.scope != "once" or not answer.allowed]
        return bool(given) and given[-1].allowed

    # -- searching -----------------------------------------------------------------------

    def _needles(self) -> tuple[Needle, ...]:
        return tuple(Needle(each.secret.name, each.value) for each in self.held)

    async def _searched(self, parts: list[tuple[str, bytes]]) -> Finding | None:
        """Search at once, or in another process, so that no other session waits; what takes too long does not pass."""
        if sum(len(content) for _, content in parts) <= INLINE_BYTES_MAX:
            return scan(parts, self._needles())
        with anyio.move_on_after(SCAN_S):
            return await anyio.to_process.run_sync(partial(scan, parts, self._needles()), cancellable=True)
        return Finding("something that could not be searched in time", "body", "")

    def _in_pieces(self, host: str, said: Iterable[bytes]) -> Finding | None:
        window = self.windows.setdefault(host, Window())
        values = window.with_values(said)
        for needle in self._needles():
            if len(small := squeezed(needle.value)) >= 8 and small in values:
                window.content = b""  # what was found once is not found again in what follows
                return Finding(needle.name, "several requests", "in pieces")
        window.content = values
        return None

    # -- secrets -------------------------------------------------------------------------

    def prepare(self, outgoing: Outgoing) -> Outgoing:
        named = self.permits_address(outgoing.host, outgoing.port)
        return placed(outgoing, [each for each in self.held if is_for(each.secret, outgoing, named=named)])

    def redactor(self, host: str) -> Redactor | None:
        sent = [each.value for each in self.held if any(covers(pattern, host) for pattern in each.secret.hosts)]
        return StreamRedactor(sent) if sent else None

    # -- recording -----------------------------------------------------------------------

    def refused(self, host: str, port: int, what: str, ruling: Ruling) -> None:
        contact = HostContacted(host, port, "refused", ruling.rule, ruling.reason, what)
        contact = replace(contact, asks=ruling.asks, irreversible=ruling.irreversible)
        if len(self.refusals) < REFUSALS_MAX:
            self.refusals.append(contact)

    def passed(self, outgoing: Outgoing, rule: str, *, sent_bytes: int, received_bytes: int) -> None:
        key = (outgoing.host, rule)
        before = self.allowed.get(key)
        if before is None:
            first = HostContacted(outgoing.host, outgoing.port, "allowed", rule, what=outgoing.what, requests=0)
            before = self.allowed[key] = first
        self.allowed[key] = replace(
            before,
            requests=before.requests + 1,
            sent_bytes=before.sent_bytes + sent_bytes,
            received_bytes=before.received_bytes + received_bytes,
        )

    def package_came(self, project: str, what: str, received_bytes: int) -> None:
        """Count a file of a package that was given to the machine; without a project: a page of the index."""
        subject = f"{PACKAGES}:{project}" if project else PACKAGES
        self.passed(_wish(subject, what), PACKAGES, sent_bytes=0, received_bytes=received_bytes)

    def contacts(self) -> tuple[HostContacted, ...]:
        """Give what was decided since the last time, and begin anew."""
        found = (*self.allowed.values(), *self.refusals)
        self.allowed, self.refusals = {}, []
        return found


def _parts(outgoing: Outgoing) -> list[tuple[str, bytes]]:
    headers = [(f"header {name.decode('latin-1')}", value) for name, value in outgoing.headers]
    names = b"\n".join(
        name for name, _ in outgoing.headers
    ).upper()  # they have lost their case, and base32 has capitals
    said = [("method", outgoing.method.encode()), ("address", outgoing.target.encode("utf-8", "replace"))]
    return [*said, ("names of headers", names), *headers, ("body", outgoing.body)]


def _wish(host: str, what: str) -> Outgoing:
    return Outgoing("https", host, 0, "GET", what, ())


def _values(outgoing: Outgoing) -> Iterable[bytes]:
    """Give what a request says that may be short: the values of its query, the end of its path, its body."""
    path, _, query = outgoing.target.partition("?")
    said = [pair.partition("=")[2] for pair in query.split("&")] + [path.rpartition("/")[2]]
    return [*(each.encode() for each in said), outgoing.body[: SHORT_BYTES_MAX + 1]]


def _leaking(found: Finding) -> Ruling:
    how = f", {found.how}" if found.how else ""
    return Ruling(False, "secret", f"it holds {found.name} in its {found.where}{how}, and no secret may leave so.")
