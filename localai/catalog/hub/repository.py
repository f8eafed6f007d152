"""What a repository of the hub holds at one commit: files, sizes, hashes and terms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from localai.catalog.hub.cache import is_blob, is_commit, is_name, repo_folder
from localai.catalog.hub.errors import RequestTarget
from localai.catalog.hub.http import document
from localai.errors import Unavailable
from localai.formats.text import shown
from localai.settings import HubEnvironment, hub_environment

_LARGEST: Final = 1 << 50  # bytes


@dataclass(frozen=True)
class HubFile:
    """A file of a repository."""

    name: str  # its path in the repository
    bytes: int | None
    sha256: str | None = None  # of large files alone
    git: str | None = None  # the hash that git gives to small ones


@dataclass(frozen=True)
class Repository:
    """A repository at one commit."""

    name: str
    commit: str
    files: tuple[HubFile, ...]
    gated: bool = False  # its terms have to be accepted first
    private: bool = False
    licence: str = ""
    revision: str = "main"


def look(
    repo: str, hub: HubEnvironment | None = None, offline: bool = False, revision: str = "main"
) -> Repository:
    """Return what a repository of the hub holds; one request.

    Parameters
    ----------
    repo : str
        `owner/name`.
    hub : HubEnvironment or None
        None: what the environment says.
    offline : bool
        Forbid it, as the environment may do too.
    revision : str
        A branch, a tag or a commit.

    Raises
    ------
    BadInput
        The name is not `owner/name`.
    UnknownModel
        There is no such repository, or it is private.
    Unavailable
        The hub cannot be reached or does not let us in.
    """
    hub = hub or hub_environment()
    hub = hub._replace(offline=hub.offline or offline)
    repo_folder(repo, hub.cache)  # refuses what is no name
    path = f"/api/models/{repo}/revision/{quote(revision, safe='')}?blobs=true"
    found = document(hub, path, RequestTarget(repo))
    if not isinstance(found, dict) or not is_commit(found.get("sha")):
        what = f"the hub's answer about {repo} names no commit, so it is none"
        raise Unavailable(what, "check HF_ENDPOINT")
    return Repository(
        repo,
        found["sha"],
        tuple(_files(found.get("siblings"))),
        gated=bool(found.get("gated")),
        private=bool(found.get("private")),
        licence=_licence(found),
        revision=revision,
    )


def _files(rows: Any) -> Iterable[HubFile]:
    """Return the files of a listing; names that could lead out of a folder are left out."""
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict) or not is_name(row.get("rfilename")):
            continue
        large = row["lfs"] if isinstance(row.get("lfs"), dict) else {}
        sha256, git = large.get("sha256") or large.get("oid"), row.get("blobId")
        yield HubFile(
            row["rfilename"],
            _size(large.get("size", row.get("size"))),
            sha256 if is_blob(sha256) and len(sha256) == 64 else None,
            git if is_blob(git) and len(git) == 40 and not large else None,
        )


def _size(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < _LARGEST else None


def _licence(found: dict[str, Any]) -> str:
    card, tags = found.get("cardData"), found.get("tags")
    said = card.get("license") if isinstance(card, dict) else None
    said = said[0] if isinstance(said, list) and said else said
    if not isinstance(said, str):
        texts = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
        said = next((tag for tag in texts if tag.startswith("license:")), "")
    return shown(said.removeprefix("license:"))[:80]
