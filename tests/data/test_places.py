"""What of a person's files may be shown in machines."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from workhand.data import places
from workhand.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.parametrize("place", ["/", "/etc", "/etc/hostname", "/proc/self", "~", "~/.."])
def test_a_place_that_holds_secrets_or_has_one_in_it_is_refused(place: str, home: Path) -> None:
    with pytest.raises(ConfigError, match="may hold secrets"):
        places.checked(Path(place), home)


def test_the_home_of_workhand_is_refused_from_above_and_from_below(home: Path) -> None:
    (home / "secrets").mkdir()
    for place in (home, home / "secrets", home.parent):
        with pytest.raises(ConfigError, match="may hold secrets"):
            places.checked(place, home)


def test_a_link_to_a_secret_place_is_refused_as_that_place_is(tmp_path: Path, home: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(ConfigError, match="'/etc' may hold secrets"):
        places.checked(tmp_path / "link", home)


def test_what_is_not_there_is_refused(tmp_path: Path, home: Path) -> None:
    with pytest.raises(ConfigError, match="is not there"):
        places.checked(tmp_path / "nowhere", home)


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside"])
def test_a_tree_with_a_link_that_leads_out_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(target)
    with pytest.raises(ConfigError, match="is a link that leads out of"):
        places.looked_through(tmp_path / "tree")


def test_a_link_within_the_tree_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "link").symlink_to("a")
    assert places.looked_through(tmp_path).files == 1


def test_a_tree_with_a_key_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "id_rsa").write_text("key")
    with pytest.raises(ConfigError, match="has a name that keys have"):
        places.looked_through(tmp_path)


def test_what_others_cannot_read_is_counted_and_named_where_sessions_have_their_own_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "open").write_text("a")
    (tmp_path / "closed").write_text("b")
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "closed").chmod(0o600)
    seen = places.looked_through(tmp_path, as_root=True)
    assert (seen.files, seen.unreadable, seen.example) == (2, 1, str(tmp_path / "closed"))
    assert f"chmod -R o+rX {tmp_path}" in seen.warning(tmp_path)
    assert places.looked_through(tmp_path, as_root=False).warning(tmp_path) == ""


def test_the_copy_of_a_file_is_readable_and_follows_it(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("a,1")
    file.chmod(0o600)
    copy = places.staged(file, tmp_path / "copies" / "prices") / "prices.csv"
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == ("a,1", 0o644)
    file.write_text("a,1\nb,2")
    places.staged(file, tmp_path / "copies" / "prices")
    assert copy.read_text() == "a,1\nb,2"


def test_the_copy_of_a_database_in_use_has_what_was_committed_and_opens_read_only(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as shop:
        shop.execute("PRAGMA journal_mode = WAL")
        shop.execute("CREATE TABLE orders (id)")
        for count in (1, 2):
            shop.execute("INSERT INTO orders VALUES (7)")
            copy = places.staged(file, tmp_path / "copies" / "shop") / "shop.db"
            with closing(sqlite3.connect(f"{copy.as_uri()}?mode=ro", uri=True)) as read:
                assert read.execute("SELECT count(*) FROM orders").fetchone() == (count,)
                assert read.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert [path.name for path in copy.parent.iterdir()] == ["shop.db"]
