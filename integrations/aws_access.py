"""Who to be at AWS, as settings say it. Apart from the session, so that reading settings costs no SDK."""

from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True)
class Access:
    """What identity, and where. Without keys, profile and role: what AWS's own tools would take.

    A role is assumed with whatever else is given here. `endpoint` is one address for every service.
    """

    region: str | None = None
    endpoint: str | None = None
    profile: str | None = None
    role_arn: str | None = None
    external_id: SecretStr | None = None
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 10.0

    @property
    def who(self) -> str:
        """The credentials as people know them; never the credentials."""
        if self.role_arn is not None:
            through = "" if self.profile is None else f" (through the profile {self.profile})"
            return f"the role {self.role_arn}{through}"
        if self.profile is not None:
            return f"the profile {self.profile}"
        return (
            "the access key in kaeru's settings" if self.access_key else "kaeru's own machine or environment"
        )
