"""Who cannot open a sandbox is told what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from workhand.core.ports import Capabilities
from workhand.sandbox.probe import explain, probe
from workhand.sandbox.tiers import TIERS, kinds_for

NO_NAMESPACE = "bwrap: No permissions to create new namespace"


@pytest.mark.parametrize(
    ("words", "switch", "container", "remedy"),
    [
        (NO_NAMESPACE, ("kernel/unprivileged_userns_clone", "0"), False, "kernel.unprivileged_userns_clone=1"),
        (NO_NAMESPACE, ("user/max_user_namespaces", "0"), False, "user.max_user_namespaces="),
        (
            "bwrap: setting up uid map: Permission denied",
            ("kernel/apparmor_restrict_unprivileged_userns", "1"),
            False,
            "apparmor_restrict_unprivileged_userns=0",
        ),
        (NO_NAMESPACE, ("user/max_user_namespaces", "9"), True, "seccomp=unconfined"),
        (NO_NAMESPACE, ("user/max_user_namespaces", "9"), False, "allow them for bwrap"),
        ("bwrap: Can't mount proc on /newroot/proc", ("user/x", "0"), True, "systempaths=unconfined"),
        ("bwrap: Unknown option --disable-userns", ("user/x", "0"), False, "0.8 or later"),
        ("something else", ("user/x", "0"), False, "something else"),
    ],
)
def test_a_failure_is_explained(
    tmp_path: Path, words: str, switch: tuple[str, str], container: bool, remedy: str
) -> None:
    (tmp_path / switch[0]).parent.mkdir(parents=True)
    (tmp_path / switch[0]).write_text(switch[1] + "\n")
    told = explain(words, system=tmp_path, container=container)
    assert told.startswith(words) and remedy in told


@pytest.mark.anyio
async def test_the_unsafe_kind_says_that_it_isolates_nothing() -> None:
    found = await probe("unsafe")
    assert isinstance(found, Capabilities)
    assert (found.backend, found.isolation, found.network) == ("unsafe", "none", "host")


@pytest.mark.anyio
async def test_a_machine_elsewhere_needs_a_key() -> None:
    assert await probe("e2b") == "There is no key for the E2B service; set E2B_API_KEY."


def test_no_isolation_that_is_asked_for_gives_a_machine_elsewhere() -> None:
    given = {least: kinds_for(least) for least in ("none", *(isolation for isolation, _ in TIERS))}
    assert given["namespace"][:2] == ("bubblewrap", "docker")
    assert not any("e2b" in kinds for kinds in given.values())
