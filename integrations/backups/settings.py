"""Which database is backed up, with what, and where to."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from bot.catalog import Duration
from bot.ports.backups import Proof
from bot.ports.errors import Refused

CLOSED = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)
# No sign at the beginning that a program could take for an option, and nothing that ends a line of a file.
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^-\s\x00-\x1f][^\x00-\x1f]*$")]
MIB = 2**20


class S3Settings(BaseModel):
    """A bucket. Without keys here, they are looked for where AWS's own tools look: environment, profile, role."""

    model_config = CLOSED

    bucket: str = Field(min_length=3, max_length=63, examples=["shop-backups"])
    """The bucket; it has to be there."""
    prefix: str = Field(default="kaeru", pattern=r"^[\w./=-]*$", examples=["kaeru/production"])
    """What every key begins with."""
    region: str | None = Field(default=None, examples=["eu-central-1"])
    """The bucket's region."""
    endpoint: str | None = Field(default=None, pattern=r"^https?://", examples=["https://s3.example.com"])
    """Another service that speaks S3."""
    encryption: Literal["AES256", "aws:kms", "none"] = Field(default="AES256", examples=["aws:kms"])
    """How the server encrypts what it stores; `none` leaves it to the bucket."""
    kms_key: str | None = Field(default=None, examples=["alias/backups"])
    """The key for `aws:kms`. Left out: the account's own."""
    access_key: SecretStr | None = Field(default=None, examples=["${BACKUP_ACCESS_KEY}"])
    """The id of an access key; goes with `secret_key`."""
    secret_key: SecretStr | None = Field(default=None, examples=["${BACKUP_SECRET_KEY}"])
    """The secret of that access key."""
    part_size: int = Field(default=8 * MIB, ge=5 * MIB, le=1024 * MIB, examples=[8 * MIB])
    """Bytes of a part of an upload, at least 5 MiB. Three of them are held in memory; larger dumps get larger ones."""
    part_timeout: Duration = Field(default=timedelta(seconds=60), gt=timedelta(0), examples=["60s"])
    """How long one answer may take."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key go together")
        if self.kms_key is not None and self.encryption != "aws:kms":
            raise ValueError("kms_key goes with `encryption: aws:kms`")
        return self


class ServerSettings(BaseModel):
    """A server, and who to be there."""

    model_config = CLOSED

    host: str | None = Field(default=None, pattern=r"^[^-\s,=][^\s,=]*$", examples=["db.internal"])
    """The server's name or address, or the folder (PostgreSQL) or file (MariaDB, MySQL) of its socket.
    Left out: localhost."""
    port: int | None = Field(default=None, ge=1, le=65535, examples=[5432])
    """Its port."""
    user: Name | None = Field(default=None, examples=["kaeru_backup"])
    """The role to connect as; integrations/backups/README.md says which rights it needs."""
    password: SecretStr | None = Field(default=None, examples=["${SHOP_DB_PASSWORD}"])
    """Its password, from the environment."""
    password_file: Path | None = Field(default=None, examples=["/run/secrets/shop-db"])
    """A file that holds nothing but the password, instead."""

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file are the same thing: leave one of them out")
        return self

    def secret(self) -> str | None:
        """The password, read at the moment it is needed. Raises Refused where its file cannot be read."""
        if self.password_file is None:
            return None if self.password is None else self.password.get_secret_value()
        try:
            return self.password_file.read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(
                f"The password file {self.password_file} cannot be read.",
                remedy="Correct password_file, or let the user that runs kaeru read it.",
            ) from error


class BackupSettings(ServerSettings):
    """What every kind of database has. One of `directory` and `s3` says where backups go."""

    database: Name = Field(examples=["shop"])
    """The database."""
    directory: Path | None = Field(default=None, examples=["/var/backups/kaeru"])
    """The folder that backups go to; one folder per database is made in it."""
    s3: S3Settings | None = None
    """The bucket that backups go to."""
    programs: Path | None = Field(default=None, examples=["/usr/lib/postgresql/17/bin"])
    """The folder of the client programs. Left out: they are looked for in PATH."""
    verify: Proof = Field(default=Proof.READ, examples=["restored"])
    """How a new backup is proven: `read` to its end, `restored` into a scratch database, or `none`."""
    keep: int = Field(default=14, ge=1, examples=[14])
    """How many backups are kept at least, the newest."""
    keep_for: Duration = Field(default=timedelta(days=30), examples=["30d"])
    """How long older ones are kept besides."""
    min_ratio: float = Field(default=0.5, ge=0, le=1, examples=[0.5])
    """A backup smaller than this share of the usual size, or with fewer tables or rows, is told as a danger."""
    max_slowdown: float = Field(default=3.0, ge=1, examples=[3.0])
    """A backup that took more than this many times as long as usual is told."""
    lock_wait: Duration = Field(default=timedelta(seconds=20), gt=timedelta(0), examples=["20s"])
    """How long a lock that somebody else holds is waited for."""
    max_lag: Duration = Field(default=timedelta(seconds=60), examples=["60s"])
    """How far a replica that backups are taken from may be behind."""
    connect_timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0), examples=["10s"])
    """How long connecting may take."""
    timeout: Duration = Field(default=timedelta(hours=2), gt=timedelta(0), examples=["2h"])
    """How long a backup or a restore may take; then it is ended."""

    @model_validator(mode="after")
    def _one_destination(self) -> Self:
        if (self.directory is None) == (self.s3 is None):
            raise ValueError("one of directory and s3 says where the backups go")
        return self


class PostgresqlBackupSettings(BackupSettings):
    """A PostgreSQL database, backed up by `pg_dump -Fc`."""

    service: str | None = Field(default=None, pattern=r"^[\w.-]+$", examples=["shop"])
    """A section of the connection service file, for what is left out here: host, port, user, password."""
    service_file: Path | None = Field(default=None, examples=["/etc/kaeru/pg_service.conf"])
    """That file. Left out: PostgreSQL's usual places. It goes with `service`."""
    maintenance: Name = Field(default="postgres", examples=["postgres"])
    """The database to be connected to while others are made, renamed and dropped."""
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = Field(
        default=None, examples=["verify-full"]
    )
    """How the connection is protected. Left out: what the service says, else `prefer`."""
    sslrootcert: Path | None = Field(default=None, examples=["/etc/kaeru/db-ca.pem"])
    """The authority that signed the server's certificate."""
    compression: int = Field(default=6, ge=0, le=9, examples=[1])
    """From 0, none, to 9. pg_dump's own default is 6."""
    scratch: ServerSettings | None = None
    """Another server for restores that only prove a backup. Left out: the same one, which then has the load."""


class MariadbBackupSettings(BackupSettings):
    """A MariaDB or MySQL database, backed up by `mariadb-dump` or `mysqldump`."""

    ssl_ca: Path | None = Field(default=None, examples=["/etc/kaeru/db-ca.pem"])
    """The authority that signed the server's certificate. Where it is set, an unprotected connection is refused."""
    compression: int = Field(default=1, ge=1, le=9, examples=[1])
    """gzip, from 1, quick, to 9, small."""
    scratch: ServerSettings | None = None
    """Another server for restores that only prove a backup. Left out: the same one, which then has the load."""
