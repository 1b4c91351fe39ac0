"""The backups of a database, put together from its settings. SDKs are imported for what is used only."""

from bot.ports.backups import Backups
from integrations.backups.destination import Destination, slug
from integrations.backups.directory import Directory
from integrations.backups.keeping import Keeping
from integrations.backups.settings import BackupSettings, MariadbBackupSettings, PostgresqlBackupSettings


def postgresql(settings: PostgresqlBackupSettings) -> Backups:
    from integrations.backups.postgresql import Postgresql  # noqa: PLC0415 - psycopg is an extra

    engine = Postgresql(settings)
    return Keeping(settings, engine, destination(settings, engine.identity))


def mariadb(settings: MariadbBackupSettings) -> Backups:
    from integrations.backups.mariadb import Mariadb  # noqa: PLC0415 - aiomysql is an extra

    engine = Mariadb(settings)
    return Keeping(settings, engine, destination(settings, engine.identity))


def destination(settings: BackupSettings, identity: str) -> Destination:
    """Where the backups of the database `identity` are kept: in a folder of its own."""
    folder = slug(identity)
    if settings.directory is not None:
        return Directory(settings.directory, folder)
    if settings.s3 is None:
        raise ValueError("one of directory and s3 says where the backups go")
    from integrations.backups.s3 import Bucket  # noqa: PLC0415 - takes a while to import

    return Bucket(settings.s3, folder)
