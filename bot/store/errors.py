"""What can go wrong in the store, each error with what to do next."""


class StoreError(Exception):
    """Something of the database is in the way; `str(error)` is a sentence without secrets."""


class Missing(StoreError):
    """What was asked for by name is not there."""


class Stale(StoreError):
    """Somebody else saved it in the meantime: read it again and decide again. Nothing was changed."""


class AlreadyOpen(StoreError):
    """The service has an open incident already: join that one."""


class StoreClosed(StoreError):
    """The store is closed or closing; the work was not done."""


class StoreUnavailable(StoreError):
    """The database cannot be used now; the work was not kept."""


class CommitFailed(StoreError):
    """The database did not confirm the commit: read before anything is tried again."""


class SchemaTooNew(StoreError):
    """A newer kaeru has written this database."""
