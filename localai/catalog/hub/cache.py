"""The model cache that Hugging Face's own tools keep, read and tidied.

    models--owner--name/
        blobs/<hash>                    a file's bytes; `<hash>.incomplete` while it is fetched
        refs/main                       the commit that `main` meant when it was last asked for
        snapshots/<commit>/<path>       a link into blobs/

The cache is shared: what other tools have placed is found, and they find what `download` places.
Names come from the hub and from this folder's names, so none is trusted to stay inside.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeGuard

from localai.errors import BadInput, LocalaiError, UnknownModel
from localai.formats.text import nearest, shown
from localai.settings import hub_environment
from localai.system.files import atomic_replace

INCOMPLETE: Final = ".incomplete"
SIDECAR: Final = ".incomplete.json"  # beside a partial file: what it will be
_REPO: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_BLOB: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # a git hash or a SHA-256
_LONGEST_NAME: Final = 255  # bytes: what file systems hold
_LONGEST_PATH: Final = 1024  # bytes
_LONGEST_NOTE: Final = 1 << 16  # bytes


@dataclass(frozen=True)
class CachedFile:
    """A file of the cache."""

    repo: str
    name: str  # its path in the repository; empty where a partial file's is not known
    bytes: int  # that are there
    path: Path
    partial: bool = False
    total: int | None = None  # bytes of the whole file, where known


def is_repo(name: str) -> bool:
    """Whether a text is a repository's name: `owner/name`, as the hub spells them."""
    parts = name.split("/")
    # "--" parts the two in the folder's name, so it would make two repositories one.
    return len(parts) == 2 and all(map(_REPO.fullmatch, parts)) and not re.search("--|[.][.]", name)


def is_name(name: object) -> TypeGuard[str]:
    """Whether a file name from the hub is a plain path below the folder it is put into."""
    if not isinstance(name, str) or not name.isprintable() or "\\" in name:
        return False  # not printable: control characters, NUL, half characters
    parts = name.split("/")
    fits = len(name.encode()) <= _LONGEST_PATH
    fits = fits and all(len(part.encode()) <= _LONGEST_NAME for part in parts)
    return fits and not {"", ".", ".."} & set(parts)


def is_commit(text: object) -> bool:
    """Whether a text is a commit's whole name."""
    return isinstance(text, str) and _COMMIT.fullmatch(text) is not None


def is_blob(text: object) -> TypeGuard[str]:
    """Whether a text can name a blob: a SHA-256 or a git hash."""
    return isinstance(text, str) and _BLOB.fullmatch(text) is not None


def repo_folder(repo: str, cache: Path | None = None) -> Path:
    """Return the folder of a repository, which may be missing.

    Raises
    ------
    BadInput
        The name is not `owner/name`.
    """
    if not is_repo(repo):
        what = f"{shown(repo)[:200]!r} is no repository's name"
        raise BadInput(what, "write it as OWNER/NAME, such as ggml-org/gemma-3-1b-it-GGUF")
    return (cache or hub_environment().cache) / f"models--{repo.replace('/', '--')}"


def blob_path(folder: Path, blob: str) -> Path:
    """Return where a repository's blob lies; a hash that is none is refused."""
    if not is_blob(blob):
        raise LocalaiError(f"the hub gave {shown(blob)[:80]!r} as a hash, so nothing was stored")
    return folder / "blobs" / blob


def snapshot_path(folder: Path, commit: str, name: str) -> Path:
    """Return where a file of a commit lies; a name that would leave the folder is refused."""
    if not is_commit(commit):
        raise LocalaiError(f"the hub gave {shown(commit)[:80]!r} as a commit: nothing was stored")
    if not is_name(name):
        what = f"the hub gave {shown(name)[:80]!r} as a file name, which could lie anywhere"
        raise LocalaiError(what, "nothing was stored; use another repository")
    return folder / "snapshots" / commit / name


def find(repo: str, name: str, cache: Path | None = None) -> Path | None:
    """Return a repository's file if the cache has it: the one of `main`, else the newest."""
    if not is_name(name):
        return None
    paths = (snapshot / name for snapshot in _snapshots(repo_folder(repo, cache)))
    return next((path for path in paths if path.is_file()), None)


def stored(repo: str | None = None, cache: Path | None = None) -> list[CachedFile]:
    """Return the GGUF files of one repository or of all, then the partial files of ours."""
    cache = cache or hub_environment().cache
    if repo is not None:
        return _of_repo(repo, repo_folder(repo, cache))
    found = []
    for folder in sorted(_inside(cache)):
        name = folder.name.removeprefix("models--").replace("--", "/")
        if folder.name.startswith("models--") and is_repo(name):
            found += _of_repo(name, folder)
    return found


def remove(repo: str, name: str, cache: Path | None = None) -> int:
    """Remove a repository's file from all its commits, and what is there of it in part.

    Returns
    -------
    int
        Bytes that are free now: none where another file has the same content.

    Raises
    ------
    UnknownModel
        The cache has no such file.
    """
    folder = repo_folder(repo, cache)
    snapshots = _snapshots(folder)
    links = [each / name for each in snapshots if is_name(name) and os.path.lexists(each / name)]
    partial = [each for each in _partials(repo, folder) if each.name == name]
    if not links and not partial:
        names = [each.name for each in _of_repo(repo, folder)]
        raise UnknownModel(f"{shown(repo)} has no file {shown(name)} here", nearest(name, names))
    freed = sum(_remove_partial(folder, each) for each in partial)
    blobs = {_blob_of(link, folder) for link in links}
    freed += sum(_unlinked(link) for link in links)  # a link itself takes nothing
    used = {_blob_of(path, folder) for each in snapshots for path in _files(each)}
    freed += sum(_unlinked(blob) for blob in blobs - used if blob is not None)
    _tidy(folder)
    return freed


def remove_present(files: Iterable[tuple[str, str]]) -> int:
    """Remove those of some files (repository, name) that are there; return as `remove` does."""
    return sum(remove(*each) for each in files if find(*each) is not None)


def write_ref(folder: Path, commit: str) -> None:
    """Note which commit `main` means now."""
    path = folder / "refs" / "main"
    path.parent.mkdir(parents=True, exist_ok=True)
    if _commit_of(path) != commit:
        with atomic_replace(path) as fresh:
            fresh.write_text(commit)


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _commit_of(ref: Path) -> str | None:
    with suppress(OSError, ValueError):
        text = ref.read_text("ascii").strip()
        return text if is_commit(text) else None
    return None


def _snapshots(folder: Path) -> list[Path]:
    """Return the folders of all commits: the one of `main`, then from the newest on."""
    main = _commit_of(folder / "refs" / "main")

    def order(path: Path) -> tuple[bool, float]:
        try:
            return path.name == main, path.stat().st_mtime
        except OSError:  # it has just been removed
            return False, 0

    found = [path for path in _inside(folder / "snapshots") if is_commit(path.name)]
    return sorted(found, key=order, reverse=True)


def _files(snapshot: Path) -> Iterator[Path]:
    for root, _, names in os.walk(snapshot):
        yield from (Path(root, name) for name in names)


def _of_repo(repo: str, folder: Path) -> list[CachedFile]:
    found: dict[tuple[str, str], CachedFile] = {}
    for snapshot in _snapshots(folder):
        for path in sorted(_files(snapshot)):
            name = path.relative_to(snapshot).as_posix()
            if not name.lower().endswith(".gguf") or not is_name(name) or not path.is_file():
                continue
            size = path.stat().st_size
            found.setdefault((name, os.path.realpath(path)), CachedFile(repo, name, size, path))
    return [*found.values(), *_partials(repo, folder)]


def _partials(repo: str, folder: Path) -> list[CachedFile]:
    """Return our partial files; those of other tools carry more in their names."""
    found = []
    for path in sorted(_inside(folder / "blobs")):
        blob = path.name.removesuffix(INCOMPLETE)
        if blob != path.name and is_blob(blob) and path.is_file():
            name, total = _note(path.with_name(blob + SIDECAR))
            found.append(CachedFile(repo, name, path.stat().st_size, path, True, total))
    return found


def _note(path: Path) -> tuple[str, int | None]:
    """Return the name and the size that a partial file will have, as far as its note says so."""
    with suppress(OSError, ValueError, RecursionError):
        with path.open("rb") as file:
            note = json.loads(file.read(_LONGEST_NOTE))
        if isinstance(note, dict) and is_name(name := note.get("name")):
            total = note.get("bytes")
            return str(name), total if isinstance(total, int) else None
    return "", None


def _blob_of(link: Path, folder: Path) -> Path | None:
    """Return the blob that a link means, unless it lies elsewhere."""
    if not link.is_symlink():
        return None
    target = link.parent / os.readlink(link)
    blobs = os.path.realpath(folder / "blobs")
    return Path(blobs, target.name) if os.path.realpath(target.parent) == blobs else None


def _unlinked(path: Path) -> int:
    """Remove a file and return the bytes that this frees."""
    try:
        status = path.lstat()
        path.unlink()
    except FileNotFoundError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 else 0


def _remove_partial(folder: Path, partial: CachedFile) -> int:
    from localai.catalog.hub.lock import locked

    blob = partial.path.name.removesuffix(INCOMPLETE)
    with locked(folder, blob):
        partial.path.with_name(blob + SIDECAR).unlink(missing_ok=True)
        return _unlinked(partial.path)


def _tidy(folder: Path) -> None:
    """Remove folders that are empty now, and references to commits that are not there.

    Other tools call a repository damaged whose `refs/main` names a commit without a folder.
    """
    for snapshot in _snapshots(folder):
        for root, _, _ in sorted(os.walk(snapshot), reverse=True):  # the deepest first
            with suppress(OSError):  # it is not empty
                os.rmdir(root)
    commits = {path.name for path in _snapshots(folder)}
    for ref in _files(folder / "refs"):
        if (commit := _commit_of(ref)) and commit not in commits:
            ref.unlink(missing_ok=True)
    for empty in ("refs", "snapshots", "blobs", ""):
        with suppress(OSError):
            os.rmdir(folder / empty)
