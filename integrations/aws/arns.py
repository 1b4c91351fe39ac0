"""The names that AWS has for things, and the parts of them that CloudWatch and people use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Arn:
    """`resource` is all that follows the account: `targetgroup/shop/73e2d6bc24d8a067`."""

    text: str
    region: str
    account: str
    resource: str

    @property
    def balancer(self) -> str:
        """Of a listener or a rule: its balancer as CloudWatch names it, `app/public/50dc6c495c0c9188`."""
        return "/".join(self.resource.split("/")[1:4])

    @property
    def listener(self) -> str:
        """Of a rule: the ARN of its listener; of a listener: its own."""
        head = self.text[: -len(self.resource)]
        return f"{head}listener/{'/'.join(self.resource.split('/')[1:5])}"

    @property
    def name(self) -> str:
        """What people call it: the target group's or the balancer's name."""
        parts = self.resource.split("/")
        return parts[1] if parts[0] == "targetgroup" else parts[2]


def arn(text: str) -> Arn:
    """Take `text`, which a settings model has seen to be one, apart."""
    _, _, _, region, account, resource = text.split(":", 5)
    return Arn(text, region, account, resource)
