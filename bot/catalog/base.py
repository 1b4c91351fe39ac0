"""What the parts of the services file are made of."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from bot.domain.base import Value


class Spec(Value):
    """Settings; each is documented under its attribute."""

    model_config = ConfigDict(use_attribute_docstrings=True)


def expected(what: str) -> PydanticCustomError:
    """The error of a setting that is not `what`."""
    return PydanticCustomError("expected", "{expected}", {"expected": what})


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$"), Field(examples=["shop"])]
