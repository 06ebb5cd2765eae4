"""The folder of a published page: one writer at a time, each file replaced at once, a `.gz` beside it.

Nothing here is trusted to be as it was written: what is cut off, lost or changed is found by `read` and `is_whole`.

PUBLICATION_ROOT/pages/<public_id>/index.html, index.html.gz, ...
PUBLICATION_ROOT/hosts/<host name>  -> ../pages/<public_id>; of a page that is not live -> ../nobody
PUBLICATION_ROOT/hosts/_default     -> the page for requests under any other name, or ../nobody

PUBLICATION_ROOT/.aside/...         -> what pages had that were deleted since: no address leads there

A page that was deleted keeps its host name and GONE, with which every address there is answered.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import secrets
import struct
import time
import zlib
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings

POLL = 0.01  # seconds between two tries at a lock that somebody has
UNTRACKED = ("assets/", "heartbeat.json")  # old assets stay for pages that browsers still hold
NOBODY = "nobody"  # the folder of names that are no page's: what is not found there is all that it has
GONE = (".gone.html", ".gone.json")  # hidden: no address leads there, and whatever is asked for is answered with them


class Busy(Exception):
    """Another process is publishing this page and did not finish in time."""


def root() -> Path:
    return Path(settings.PUBLICATION_ROOT)


def folder(public_id: str) -> Path:
    return root() / "pages" / public_id


@contextmanager
def locked(root: Path, *, timeout: float) -> Iterator[None]:
    """Be the only writer below `root`; raises `Busy` after `timeout` seconds. A dead writer's lock is free."""
    _make(root)
    with (root / ".lock").open("w") as handle:
        give_up_at = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up_at:
                    raise Busy(str(root)) from None
                time.sleep(POLL)
        yield


def write(root: Path, documents: Mapping[str, bytes]) -> list[str]:
    """Replace what differs; returns the paths written. A reader sees the old bytes or the new ones, never a part."""
    changed = {path: content for path, content in documents.items() if read(root, path) != content}
    contents = {}
    for path, content in changed.items():
        contents[root / f"{path}.gz"] = gzip.compress(content, 9, mtime=0)
        contents[root / path] = content
    _replace(contents)
    return list(changed)


def read(root: Path, path: str) -> bytes | None:
    """The published bytes; None when the file or its `.gz` is missing, or they are not the same."""
    try:
        content = (root / path).read_bytes()
        with (root / f"{path}.gz").open("rb") as twin:
            twin.seek(-len(_trailer(content)), os.SEEK_END)
            return content if twin.read() == _trailer(content) else None
    except OSError:  # one is missing, or shorter than any gzip file
        return None


def is_whole(root: Path, path: str, size: int) -> bool:
    """Whether the document has this size, and its `.gz` says the same; their bytes are not compared."""
    try:
        with (root / f"{path}.gz").open("rb") as twin:
            twin.seek(-4, os.SEEK_END)
            return (root / path).stat().st_size == size and twin.read() == struct.pack("<I", size & 0xFFFFFFFF)
    except OSError:
        return False


def _trailer(content: bytes) -> bytes:
    """How a gzip file of it ends (RFC 1952): a checksum of the content, and its length."""
    return struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)


def remove(root: Path, path: str) -> bool:
    """Returns whether there was something to remove."""
    existed = (root / path).exists()
    (root / path).unlink(missing_ok=True)
    (root / f"{path}.gz").unlink(missing_ok=True)
    return existed


def tracked(root: Path) -> set[str]:
    """The published documents that `root` holds, without `.gz` twins, hidden files, old assets and the heartbeat."""
    found: set[str] = set()
    for folder, _folders, names in os.walk(root):  # a request waits for it: pathlib takes twenty times as long
        prefix = "" if folder == str(root) else f"{os.path.relpath(folder, root)}/"
        found.update(prefix + name.removesuffix(".gz") for name in names if not name.startswith("."))
    return {path for path in found if not path.startswith(UNTRACKED)}


def link(hosts: Mapping[str, str]) -> None:
    """Point each host name at its page's public id, "" for nobody's, and drop names that are no longer any page's."""
    folder = root() / "hosts"
    _make(folder)
    for host, public_id in hosts.items():
        target = f"../pages/{public_id}" if public_id else f"../{NOBODY}"
        if not (folder / host).is_symlink() or str((folder / host).readlink()) != target:
            temporary = folder / f".{host}.{secrets.token_hex(8)}"
            temporary.symlink_to(target)
            temporary.replace(folder / host)
    for entry in folder.iterdir():
        if not entry.name.startswith(".") and entry.name not in hosts:
            entry.unlink(missing_ok=True)


def leave_only(root: Path, documents: Mapping[str, bytes]) -> None:
    """Have these documents and no others, for a page that nobody reads any more.

    A request waits for it, and a long history is many files: they are set aside at once, and deleted by `drop_aside`.
    """
    write(root, documents)
    kept = {".lock", *documents, *(f"{path}.gz" for path in documents)}
    if others := [path for path in root.iterdir() if path.name not in kept]:
        aside = _aside() / f"{root.name}.{secrets.token_hex(8)}"
        _make(aside)
        for path in others:
            path.rename(aside / path.name)


def drop_aside(seconds: float) -> None:
    """Delete for about so long what was set aside."""
    ends_at = time.monotonic() + seconds
    for folder, folders, names in os.walk(_aside(), topdown=False):
        for name in names:
            if time.monotonic() > ends_at:
                return
            Path(folder, name).unlink(missing_ok=True)
        for name in folders:
            Path(folder, name).rmdir()


def _aside() -> Path:
    return root() / ".aside"


def replace(path: Path, content: bytes) -> None:
    """Swap the whole file in one step; see `write`."""
    _replace({path: content})


def _replace(contents: Mapping[Path, bytes]) -> None:
    """All bytes are on the disk before one of them has its name, so that a power loss cuts no file off."""
    new: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            _make(path.parent)
            new[path] = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")  # containers number processes alike
            new[path].write_bytes(content)
            new[path].chmod(0o644)
            # Each version has a second of its own: a front server's ETag is made of it.
            with suppress(FileNotFoundError):
                taken = int(path.stat().st_mtime)
                if new[path].stat().st_mtime < taken + 1:
                    os.utime(new[path], (taken + 1, taken + 1))
        _sync(new.values())
        for path, temporary in new.items():
            temporary.replace(path)
        _sync({path.parent for path in new})
    except OSError:  # a full disk must not be made fuller
        for temporary in new.values():
            temporary.unlink(missing_ok=True)
        raise


def _sync(paths: Collection[Path]) -> None:
    """Wait until these are on the disk; together, as each waits for the same disk."""
    with ThreadPoolExecutor(min(8, len(paths) or 1)) as pool:
        list(pool.map(_sync_one, paths))


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make(folder: Path) -> None:
    """For everybody to read, as a front server runs as another user; what else the embedded mode writes is its own."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
