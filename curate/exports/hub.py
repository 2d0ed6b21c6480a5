"""Uploading a finished export to the Hugging Face hub."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.errors import ExportError
from curate.exports.job import FILES, MANIFEST

# What a push has written, so that the next one knows what it may replace. The manifest itself stays here, since it
# names folders of this machine; the card says everything else of it.
_MARKER = "curate-export.hub.json"
_THE_HUBS = {".gitattributes"}


@dataclass(frozen=True, slots=True)
class OnHub:
    """A dataset of the hub as a push finds it.

    Attributes:
        name: `NAME/REPO`.
        commit: its last one; None where there is no such dataset yet.
        fingerprint: of the export that it holds; empty where it holds nothing.
        files: what that export wrote.
    """

    name: str
    commit: str | None = None
    fingerprint: str = ""
    files: frozenset[str] = frozenset()


def check_hub(repository: str, *, public: bool) -> OnHub:
    """That a folder may be pushed to a dataset of the hub. Nothing is written there.

    Only a dataset that does not exist, has no files, or has those of an earlier push and no other, is written to: a
    permission to replace what lies on this machine is none to replace what lies on the hub.

    Args:
        repository: `NAME/REPO`, or `REPO` of the user's own.
        public: everybody is to see it.

    Raises:
        ExportError: there is no token or it may not write there, somebody else's files are there, others see it than
            was asked, or the hub cannot be reached.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if get_token() is None:
        raise ExportError("the hub wants to know who you are", where="--push", hint="hf auth login")
    hub = HfApi()
    with _in_words("the same command again when it is there"):
        user = hub.whoami()
        if user.get("auth", {}).get("accessToken", {}).get("role") == "read":
            raise ExportError(
                "the token of this machine may only read",
                where="--push",
                hint="hf auth login, with a token that may write",
            )
        name = repository if "/" in repository else f"{user['name']}/{repository}"
        try:
            info = hub.repo_info(name, repo_type="dataset")
        except GatedRepoError:  # there is one; the hub says what it wants
            raise
        except RepositoryNotFoundError:
            homes = [user["name"], *(some["name"] for some in user.get("orgs", ()))]
            if name.split("/")[0] not in homes:
                raise ExportError(
                    f"{name} is in nobody's name that {user['name']} may write in",
                    where="--push",
                    hint=f"--push {user['name']}/{name.split('/')[1]}",
                ) from None
            return OnHub(name)
        return _found(hub, info, public=public)


def push(folder: Path, repository: str, *, public: bool) -> None:
    """Upload a folder as a dataset, in one commit; one that is there already in this very form is left alone.

    Of an earlier push, files that this one does not have are removed in the same commit.

    Args:
        folder: a finished export.
        repository: `NAME/REPO`, or `REPO` of the user's own.
        public: everybody may see it.

    Raises:
        ExportError: as `check_hub`; or somebody else writes there at the same time, or the hub refuses.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    fingerprint = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["fingerprint"]
    there = check_hub(repository, public=public)
    if there.fingerprint == fingerprint:
        return
    told = (json.loads(line) for line in (folder / FILES).read_text(encoding="utf-8").splitlines())
    paths = sorted(line["path"] for line in told if "path" in line)
    marker = json.dumps({"fingerprint": fingerprint, "files": paths}, indent=1).encode() + b"\n"
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(_MARKER, marker),
        *(CommitOperationAdd(path, folder / path) for path in paths),
        *(CommitOperationDelete(path) for path in sorted(there.files.difference(paths))),
    ]
    hub = HfApi()
    with _in_words("the same command again"):
        if there.commit is None:
            hub.create_repo(there.name, repo_type="dataset", private=not public)
        hub.create_commit(
            there.name,
            operations,
            repo_type="dataset",
            commit_message=_title(fingerprint),
            # What came there since we looked is not ours to write over.
            parent_commit=there.commit,
        )


def _title(fingerprint: str) -> str:
    """Of the commit of an export."""
    return f"curate export {fingerprint[:16]}"


def _found(hub: Any, info: Any, *, public: bool) -> OnHub:
    """A dataset that exists."""
    if bool(info.private) == public:
        said = "private" if info.private else "public"
        raise ExportError(
            f"the dataset {info.id} is there already, and {said}",
            where="--push",
            hint="without --public, or another name" if public else "--public, or another name",
        )
    names = set(hub.list_repo_files(info.id, repo_type="dataset", revision=info.sha)) - _THE_HUBS
    if not names:
        return OnHub(info.id, info.sha)
    title = hub.list_repo_commits(info.id, repo_type="dataset", revision=info.sha)[0].title
    ours: dict[str, Any] = {}
    if _MARKER in names:
        with tempfile.TemporaryDirectory() as cache:
            path = hub.hf_hub_download(
                info.id, _MARKER, repo_type="dataset", revision=info.sha, cache_dir=cache
            )
            ours = json.loads(Path(path).read_text(encoding="utf-8"))
    files = frozenset(ours.get("files", ()))
    written = bool(ours) and title == _title(ours["fingerprint"])
    if not written or not names <= files | {_MARKER}:
        if _MARKER in names and not written:
            what = f"was changed since an export wrote it: {title}"
        else:
            what = f"has files that no export wrote: {min(names - files - {_MARKER})}"
        raise ExportError(
            f"the dataset {info.id} {what}",
            where="--push",
            hint="another name; or look at it on the hub, and empty it if nobody needs it",
        )
    return OnHub(info.id, info.sha, ours["fingerprint"], files & names)


@contextlib.contextmanager
def _in_words(again: str) -> Iterator[None]:
    """The hub's words as ours; `again` is what to do when it is not our fault."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except HfHubHTTPError as error:
        words = error.server_message or str(error).splitlines()[0]
        status = error.response.status_code if error.response is not None else 0
        hint = "hf auth login, with a token that may write" if status in (401, 403) else again
        raise ExportError(f"the hub says: {words}", where="--push", hint=hint) from error
    except HFValidationError as error:
        raise ExportError(str(error).splitlines()[0], where="--push", hint="--push NAME/REPO") from error
    except OfflineModeIsEnabled as error:
        raise ExportError("HF_HUB_OFFLINE is set", where="--push", hint="unset HF_HUB_OFFLINE") from error
    except ExportError:
        raise
    except Exception as error:  # whichever library of HTTP it is that the hub's own library uses today
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ExportError(f"the hub cannot be reached: {words}", where="--push", hint=again) from error
