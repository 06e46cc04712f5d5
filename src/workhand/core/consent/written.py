"""What the words of a command say: what it is told to do, and which files it writes, moves or removes.

The tables are short on purpose: they name what people would want to be asked about; what is left out does
its work inside the machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

VALUED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({  # options with a value, where that could be mistaken
    "git": ("-C", "-c", "--git-dir", "--work-tree", "--namespace"),
    "docker": ("-H", "--host", "--context", "--config", "-l"),
    "podman": ("--connection", "--log-level"),
    "kubectl": ("-n", "--namespace", "--context", "--kubeconfig", "-s"),
    "helm": ("-n", "--namespace", "--kube-context", "--kubeconfig"),
    "npm": ("--prefix", "-w", "--workspace"),
    "pnpm": ("-C", "--dir", "--filter"),
    "yarn": ("--cwd",),
    "cargo": ("--manifest-path", "-Z", "--config", "-C"),
    "gh": ("-R", "--repo"),
    "aws": ("--profile", "--region", "--endpoint-url", "--output"),
    "gcloud": ("--project", "--account", "--configuration"),
    "az": ("--subscription", "-o", "--output"),
    "pulumi": ("-C", "--cwd", "-s", "--stack"),
    "uv": ("--directory", "--project"),
    "poetry": ("-C", "--directory"),
    "ssh": ("-i", "-p", "-l", "-o", "-F", "-J", "-L", "-R", "-D", "-b", "-c", "-e", "-m", "-S", "-W"),
    "sftp": ("-i", "-P", "-o", "-F", "-b"),
    "truncate": ("-s", "-r"),
    "touch": ("-d", "-r", "-t"),
    "mkdir": ("-m",),
    "install": ("-m", "-o", "-g", "-S"),
    "shred": ("-n", "-s"),
    "sed": ("-e", "-f", "-l"),
})  # fmt: skip
MULTIPLE = frozenset((  # programs whose first word says what they are to do
    "git", "gh", "docker", "podman", "kubectl", "helm", "terraform", "tofu", "pulumi", "aws", "gcloud", "az",
    "npm", "pnpm", "yarn", "cargo", "pip", "uv", "poetry", "flit", "hatch", "twine", "gem", "bundle", "systemctl",
))  # fmt: skip
_ALL = frozenset(("rm", "rmdir", "unlink", "shred", "truncate", "touch", "mkdir", "mkfifo", "tee", "mv"))
_ALL_BUT_FIRST = frozenset(("chmod", "chown", "chgrp"))
_LAST = frozenset(("cp", "ln", "install"))
_TO: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({  # options that say where to write
    "cp": ("-t", "--target-directory"),
    "mv": ("-t", "--target-directory"),
    "ln": ("-t", "--target-directory"),
    "install": ("-t", "--target-directory"),
    "curl": ("-o", "--output", "--output-dir"),
    "wget": ("-O", "--output-document", "-P", "--directory-prefix"),
    "unzip": ("-d",),
    "sort": ("-o", "--output"),
})  # fmt: skip


def operands(program: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Give the words of a command that are neither its program nor options nor values of options."""
    valued = VALUED.get(program, ())
    found: list[str] = []
    rest = iter(words[1:])
    for word in rest:
        if word == "--":
            return (*found, *rest)
        if word in valued:
            next(rest, None)
        elif not word.startswith("-") or word == "-":
            found.append(word)
    return tuple(found)


def written(program: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Give the files that a command changes, as they are named in it."""
    to = _valued(words, _TO.get(program, ()))
    named = operands(program, words)
    if program in _ALL:
        return (*named, *to)
    if program in _ALL_BUT_FIRST:
        return named[1:]
    if program in _LAST:
        return to or named[-1:]
    if program == "dd":
        return tuple(word.removeprefix("of=") for word in words if word.startswith("of="))
    if program == "sed" and any(re.match(r"-[A-Za-z]*i|--in-place", word) for word in words[1:]):
        return named if {"-e", "-f"}.intersection(words) else named[1:]
    if program == "tar" and len(words) > 1 and re.match(r"-?[a-wyzA-Z]*x|--extract", words[1]):
        return _valued(words, ("-C", "--directory"))
    return to


def _valued(words: tuple[str, ...], options: tuple[str, ...]) -> tuple[str, ...]:
    """Give the values of options: in the next word, behind a sign of equality, or joined to a letter."""
    found: list[str] = []
    for index, word in enumerate(words):
        for option in options:
            if word == option:
                found += words[index + 1 : index + 2]
            elif option.startswith("--") and word.startswith(option + "="):
                found.append(word[len(option) + 1 :])
            elif not option.startswith("--") and word.startswith(option):
                found.append(word[len(option) :])
    return tuple(found)
