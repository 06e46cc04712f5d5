"""Make a library of one function, which lets ``ls`` and ``stat`` run on gVisor's kernel.

Both ask ``statx`` not to mount anything on the way (coreutils 9.1 and later); gVisor's kernel of 2022 answers
every flag that it does not know with an error, and glibc falls back on nothing that it does.  No filter of system
calls can change a flag.  The library's ``statx`` leaves that flag out, which is right where nothing is ever mounted on
the way, and is a jump into glibc otherwise.  It is written here byte by byte, so that no compiler is needed.
"""

from __future__ import annotations

import struct

PAGE = 0x1000
STATX = bytes.fromhex(
    "4d89c1"  # mov r9, r8: glibc's syscall takes the number first, and so everything moves by one
    "4989c8"  # mov r8, rcx
    "89d1"  # mov ecx, edx
    "80e5f7"  # and ch, ~8: without AT_NO_AUTOMOUNT, 0x800
    "4889f2"  # mov rdx, rsi
    "4863f7"  # movsxd rsi, edi
    "bf4c010000"  # mov edi, 332: the number of statx
    "ff25"  # jmp [rip + distance]: to syscall
)
NAMES = b"\0statx\0syscall\0"
PT_LOAD, PT_DYNAMIC, PT_GNU_STACK = 1, 2, 0x6474E551
READ, WRITE, EXECUTE = 4, 2, 1
DT_NULL, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_RELAENT, DT_STRSZ, DT_SYMENT = (
    0,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
)
GLOBAL_FUNCTION = 0x12
R_X86_64_GLOB_DAT = 6
HEADER_BYTES, SEGMENT_BYTES, SYMBOL_BYTES, RELOCATION_BYTES = 64, 56, 24, 24


def library() -> bytes:
    """Give the library as a file: one page to read and run, one with the jump's target that the loader fills in."""
    text_at = HEADER_BYTES + 4 * SEGMENT_BYTES
    symbols_at = text_at + 32
    hash_at = symbols_at + 3 * SYMBOL_BYTES
    relocation_at = hash_at + 24
    names_at = relocation_at + RELOCATION_BYTES
    read_only_bytes = names_at + len(NAMES)
    target_at, dynamic_at = PAGE, PAGE + 8
    entries = (
        *((DT_HASH, hash_at), (DT_STRTAB, names_at), (DT_SYMTAB, symbols_at), (DT_STRSZ, len(NAMES))),
        *((DT_SYMENT, SYMBOL_BYTES), (DT_RELA, relocation_at), (DT_RELASZ, RELOCATION_BYTES)),
        *((DT_RELAENT, RELOCATION_BYTES), (DT_NULL, 0)),
    )
    dynamic = b"".join(struct.pack("<QQ", *entry) for entry in entries)
    written = 8 + len(dynamic)
    jump = STATX + struct.pack("<i", target_at - (text_at + len(STATX) + 4))
    content = (
        struct.pack("<4sBBB9xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 3, 62, 1, 0, 64, 0, 0, 64, SEGMENT_BYTES, 4, 0, 0, 0)
        + _segment(PT_LOAD, READ | EXECUTE, 0, read_only_bytes, PAGE)
        + _segment(PT_LOAD, READ | WRITE, target_at, written, PAGE)
        + _segment(PT_DYNAMIC, READ | WRITE, dynamic_at, len(dynamic), 8)
        + _segment(PT_GNU_STACK, READ | WRITE, 0, 0, 16)
        + jump.ljust(32, b"\0")
        + bytes(SYMBOL_BYTES)
        + struct.pack("<IBBHQQ", NAMES.index(b"statx"), GLOBAL_FUNCTION, 0, 1, text_at, len(jump))
        + struct.pack("<IBBHQQ", NAMES.index(b"syscall"), GLOBAL_FUNCTION, 0, 0, 0, 0)
        + struct.pack("<6I", 1, 3, 1, 0, 2, 0)  # one bucket, with both names
        + struct.pack("<QQq", target_at, 2 << 32 | R_X86_64_GLOB_DAT, 0)
        + NAMES
    )
    return content.ljust(PAGE, b"\0") + bytes(8) + dynamic


def _segment(kind: int, access: int, at: int, size: int, align: int) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, access, at, at, at, size, size, align)
