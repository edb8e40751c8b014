"""What was grafted, in a file of the project: so that the same can be taken away, and edits of the user's be told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from mlbridge.errors import GraftError
from mlbridge.grafting.changes import read
from mlbridge.grafting.merging import merged
from mlbridge.grafting.names import nodes_of
from mlbridge.grafting.shared import Shared
from mlbridge.typing import Document

FILE = "mlbridge-graft.json"
FORMAT = 2


@dataclass(frozen=True)
class Record:
    """What `graft` wrote into a project.

    `files` are the SHA-256 of each model's own files by path; a model without any was taken away, but its tables were
    not dropped. `originals` are the texts of the shared files without the branch (None: the project had none),
    `folders` those that were made, `schemas` the `+schema` of nodes that have one, by model and node.
    """

    shared: Shared
    originals: Mapping[str, str | None]
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    schemas: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Record | None:
        """Read the record of a project in a folder; None if nothing was grafted. Raises GraftError if it is damaged."""
        text = read(folder, FILE)
        return None if text is None else cls.of_text(text)

    @classmethod
    def of_text(cls, text: str) -> Record:
        """Read a record; raises GraftError if it is damaged."""
        try:
            found: Document = json.loads(text)
            if found["format"] > FORMAT:
                raise GraftError(f"'{FILE}' has the format {found['format']}, of a newer mlbridge. Install that.")
            shared = found["shared"]
            return cls(
                Shared(
                    shared["package_file"],
                    shared["package"],
                    shared["schema"],
                    tuple(shared["ignored"]),
                    tuple(shared.get("kinds", ["models"])),  # records of 0.11 name no kinds
                ),
                {name: None if lines is None else "".join(lines) for name, lines in found["originals"].items()},
                found["files"],
                tuple(found["folders"]),
                {model: _by_node(model, each) for model, each in found.get("schemas", {}).items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise GraftError(
                f"'{FILE}' cannot be read: {error!r}. Restore it from version control; docs/removing.md says how to "
                "remove a branch by hand."
            ) from error

    @property
    def text(self) -> str:
        """Return the text of the file; texts stand in it line by line, so that a review shows them."""
        shared = {
            "package_file": self.shared.package_file,
            "package": self.shared.package,
            "schema": self.shared.schema,
            "ignored": list(self.shared.ignored),
            "kinds": list(self.shared.kinds),
        }
        originals = {
            name: None if text is None else text.splitlines(keepends=True) for name, text in self.originals.items()
        }
        document = {
            "about": "What `mlbridge graft` wrote: keep it with the project, `mlbridge ungraft` needs it.",
            "format": FORMAT,
            "files": dict(self.files),
            "folders": list(self.folders),
            "schemas": {model: dict(each) for model, each in self.schemas.items()},
            "shared": shared,
            "originals": originals,
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    def with_model(
        self, model: str, texts: Mapping[str, str], folders: Sequence[str], schemas: Mapping[str, str | None]
    ) -> Record:
        """Return the record with one model more, folders that were made for it, and the `+schema` of its nodes."""
        sums = {path: digest(text) for path, text in texts.items()}
        own = {name: each for name, each in schemas.items() if each is not None}
        of_all = {**self.schemas, model: own}
        return replace(self, files={**self.files, model: sums}, folders=(*self.folders, *folders), schemas=of_all)

    def without_model(self, model: str, originals: Mapping[str, str | None]) -> Record:
        """Return the record with one model less, and the shared files as they are now without the branch."""
        files = {name: sums for name, sums in self.files.items() if name != model}
        needed = {str(parent) for sums in files.values() for path in sums for parent in PurePosixPath(path).parents}
        folders = tuple(each for each in self.folders if each in needed)
        schemas = {name: each for name, each in self.schemas.items() if name in files}
        return replace(self, files=files, originals=originals, folders=folders, schemas=schemas)

    def text_if_needed(self, last: bool) -> str | None:
        """Return the text, or None where it is needed no more; `last`: the project declares no model any more.

        A model that was taken away is remembered while others remain, be they grafted or written by hand.
        """
        return self.text if any(self.files.values()) or (self.files and not last) else None

    def without_branch(self, texts: Mapping[str, str | None], declared: Sequence[str]) -> dict[str, str | None]:
        """Return the shared files without the branch, with what the user has edited since; `declared` are its models.

        A file whose lines of the branch the user has edited keeps the recorded text.
        """
        with_all = self.shared.with_models(self.originals, declared)
        found = {name: merged(with_all[name], texts[name], text) for name, text in self.originals.items()}
        return {name: text if possible else self.originals[name] for name, (possible, text) in found.items()}


def _by_node(model: str, schemas: Mapping[str, str] | str) -> dict[str, str]:
    """Return the `+schema` of a model's nodes; records of the format 1 have one for all of them."""
    return dict.fromkeys(nodes_of(model), schemas) if isinstance(schemas, str) else dict(schemas)


def digest(text: str) -> str:
    """Return the SHA-256 (hexadecimal) of a text, the same for each kind of line end: git may change them."""
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()
