"""Uploading a finished export to the Hugging Face hub."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from curate.errors import ExportError
from curate.exports.files import JOURNAL_FOLDER
from curate.exports.job import FILES, MANIFEST

# The manifest names folders of this machine; the card says everything else of it.
_KEPT_HERE = [f"{JOURNAL_FOLDER}/*", MANIFEST, FILES]


def check_token() -> None:
    """That the hub will know who is writing.

    Raises:
        ExportError: there is no token.
    """
    from huggingface_hub import get_token

    if get_token() is None:
        raise ExportError("the hub wants to know who you are", where="--push", hint="hf auth login")


def push(folder: Path, repository: str, *, public: bool, overwrite: bool) -> None:
    """Upload a folder as a dataset, in one commit; one that is there already in this very form is left alone.

    Args:
        folder: a finished export.
        repository: `NAME/REPO`, or `REPO` of the user's own.
        public: for a new one, everybody may see it.
        overwrite: add to a dataset that has files.

    Raises:
        ExportError: it has files and `overwrite` is not set; or the hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi

    mark = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["fingerprint"][:16]
    hub = HfApi()
    with _in_words(folder, repository):
        name = hub.create_repo(repository, repo_type="dataset", private=not public, exist_ok=True).repo_id
        there = set(hub.list_repo_files(name, repo_type="dataset")) - {".gitattributes"}
        if there:
            last = hub.list_repo_commits(name, repo_type="dataset")[0].title
            if mark in last:
                return
            if not overwrite:
                raise ExportError(
                    f"the dataset {name} is there already and has files in it",
                    where="--push",
                    hint="another name, or --overwrite",
                )
        hub.upload_folder(
            repo_id=name,
            repo_type="dataset",
            folder_path=folder,
            ignore_patterns=_KEPT_HERE,
            # Of the export that was there, shards that this one does not have would be read with it.
            delete_patterns=["data/*"] if there else None,
            commit_message=f"curate export {mark}",
        )


@contextlib.contextmanager
def _in_words(folder: Path, repository: str) -> Iterator[None]:
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    by_hand = f"the same command again, or: hf upload {repository} {folder} --repo-type dataset"
    try:
        yield
    except HfHubHTTPError as error:
        words = error.server_message or str(error).splitlines()[0]
        status = error.response.status_code if error.response is not None else 0
        hint = "hf auth login, with a token that may write" if status in (401, 403) else by_hand
        raise ExportError(f"the hub says: {words}", where="--push", hint=hint) from error
    except HFValidationError as error:
        raise ExportError(str(error).splitlines()[0], where="--push", hint="--push NAME/REPO") from error
    except OfflineModeIsEnabled as error:
        raise ExportError("HF_HUB_OFFLINE is set", where="--push", hint="unset HF_HUB_OFFLINE") from error
    except ExportError:
        raise
    except Exception as error:  # whichever library of HTTP it is that the hub's own library uses today
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ExportError(f"the hub cannot be reached: {words}", where="--push", hint=by_hand) from error
