"""Which directories and files may be shown in machines, and what of them can be read there.

What a person names is judged before it is shown to anybody: a place that holds keys, or that has such a place in it,
is refused, and so is a tree with a link that leads out of it, since it promises what is not there.  In a machine a
link leads nowhere else, whatever it says: only the tree itself is mounted, so one that is made later shows nothing.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from workhand.errors import ConfigError

SYSTEM = ("/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/var/lib/docker", "/var/run")
PRIVATE = (
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config", ".mozilla", ".password-store", ".netrc"),
    *(".local/share/keyrings", ".git-credentials", ".pgpass", ".bash_history", ".npmrc", ".pypirc"),
)
TELLING = {
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".netrc", ".git-credentials"),
    *(".pgpass", ".env", "id_rsa", "id_ed25519", "id_ecdsa", "id_dsa"),
}
"""Names that keys have, in whatever directory."""

SQLITE = b"SQLite format 3\0"
LOOKED_AT_MAX = 200_000
COPIED_BYTES_MAX = 4 << 30


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found on the way through a tree."""

    files: int
    unreadable: int = 0  # by others than their owner
    example: str = ""  # one that is not readable
    whole: bool = True

    def warning(self, root: Path) -> str:
        """Say what machines will not be able to read; nothing if that is nothing."""
        if not self.unreadable:
            return ""
        return (
            f"{self.unreadable:,} files or directories cannot be read in machines, where a session has a user of its "
            f"own and others may not read them, such as {self.example!r}; `chmod -R o+rX {root}` changes that."
        )


def checked(path: Path, home: Path) -> Path:
    """Give the true place of what may be shown.  Raises ``ConfigError`` for what would show secrets."""
    try:
        place = path.expanduser().resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"{str(path)!r} is not there; give a directory or a file.") from error
    person = Path.home().resolve()
    for secret in (home.resolve(), *map(Path, SYSTEM), *(person / name for name in PRIVATE)):
        if place.is_relative_to(secret):
            raise ConfigError(f"{str(place)!r} may hold secrets, so no machine is shown it; copy what is needed.")
        if secret.is_relative_to(place):
            raise ConfigError(
                f"{str(place)!r} has {str(secret)!r} in it, which may hold secrets; name a directory further below."
            )
    if not (place.is_dir() or place.is_file()):
        raise ConfigError(f"{str(place)!r} is neither a directory nor a file; give one of them.")
    if place.name in TELLING:
        raise ConfigError(f"{str(place)!r} has a name that keys have, so no machine is shown it.")
    return place


def looked_through(root: Path, *, as_root: bool | None = None) -> Looked:
    """Walk through a tree.  Raises ``ConfigError`` for what has the name of a key, and for a link that leads out."""
    own_user = os.geteuid() == 0 if as_root is None else as_root
    files = unreadable = 0
    example = ""
    for seen, (path, mode) in enumerate(_entries(root)):
        if seen >= LOOKED_AT_MAX:
            return Looked(files, unreadable, example, whole=False)
        if path.name in TELLING and path != root:
            raise ConfigError(f"{str(path)!r} has a name that keys have; move it away, or name another directory.")
        if stat.S_ISLNK(mode):
            _check_link(path, root)
            continue
        files += not stat.S_ISDIR(mode)
        wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
        if own_user and mode & wanted != wanted:
            unreadable += 1
            example = example or str(path)
    return Looked(files, unreadable, example)


def _entries(root: Path) -> Iterator[tuple[Path, int]]:
    """Give all that is in a tree with its mode, following no link."""
    waiting = [root]
    yield root, root.stat().st_mode
    while waiting:
        directory = waiting.pop()
        if not directory.is_dir():
            continue
        try:
            found = sorted(os.scandir(directory), key=lambda each: each.name)
        except OSError as error:
            raise ConfigError(f"{str(directory)!r} cannot be read: {error.strerror}; change its mode.") from error
        for each in found:
            yield Path(each.path), each.stat(follow_symlinks=False).st_mode
            if each.is_dir(follow_symlinks=False):
                waiting.append(Path(each.path))


def _check_link(path: Path, root: Path) -> None:
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(root):
        raise ConfigError(
            f"{str(path)!r} is a link that leads out of {str(root)!r}, to {str(target)!r}, which a machine would not "
            "show; put what is meant in its place."
        )


def staged(file: Path, directory: Path) -> Path:
    """Give a directory with a copy of a file, as it is now, that others can read: machines show directories."""
    import sqlite3

    size = file.stat().st_size
    if size > COPIED_BYTES_MAX:
        raise ConfigError(
            f"{str(file)!r} has {size:,} bytes, which are too many to copy; `workhand data remove "
            f"{directory.name}` and add its directory instead."
        )
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)
    target, now = directory / file.name, file.stat()
    logged = file.with_name(f"{file.name}-wal").exists()  # what SQLite has not yet written to the file itself
    if logged or not target.exists() or (target.stat().st_size, target.stat().st_mtime_ns) != (size, now.st_mtime_ns):
        part = directory.parent / f".{directory.name}.{os.getpid()}"
        part.unlink(missing_ok=True)
        try:
            _copy(file, part)
        except sqlite3.Error as error:
            remedy = f"mend it, or `workhand data remove {directory.name}`"
            raise ConfigError(f"The database {str(file)!r} cannot be copied: {error}; {remedy}.") from error
        part.chmod(0o644)
        os.utime(part, ns=(now.st_atime_ns, now.st_mtime_ns))
        part.replace(target)
    return directory


def _copy(file: Path, part: Path) -> None:
    """Copy a file; a database of SQLite as of one moment, and so that it opens where nothing can be written."""
    with file.open("rb") as opened:
        if opened.read(len(SQLITE)) != SQLITE:
            shutil.copyfile(file, part)
            return
    import sqlite3

    with (
        closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(part)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
