"""Content that is too big for a row of its own kind: charts, postmortems, plan files."""

import hashlib

from sqlalchemy import select

from bot.store.scope import Scope, found
from bot.store.tables import DocumentRow, table

_T = table(DocumentRow)


class Documents:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def put(self, content: bytes, media_type: str) -> str:
        """Keep it once. Returns its name: the SHA-256 of the content, in hex."""
        ref = hashlib.sha256(content).hexdigest()
        statement = self._scope.insert(_T).on_conflict_do_nothing(index_elements=["ref"])
        self._scope.connection.execute(statement, {"ref": ref, "media_type": media_type, "content": content})
        return ref

    def get(self, ref: str) -> bytes:
        """Raises Missing."""
        row = self._scope.connection.execute(select(_T.c.content).where(_T.c.ref == ref)).one_or_none()
        return bytes(found(row, f"document {ref}").content)
