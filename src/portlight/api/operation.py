"""A method of a path together with its description: what it takes and what it answers.

The description is for readers and machines (`openapi.py`); it is made of the schemas of the parsers
that the action itself uses.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from portlight.api.schema import ANYTHING, Schema
from portlight.api.shell import Action, Call, Reply

Parameters = Mapping[str, Schema]

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a method of a path takes and answers. Refusals follow from it (`openapi.py`)."""

    summary: str
    body: Schema | None = None
    query: Parameters = field(default_factory=dict)
    """Schemas of type `array` are parameters that may be repeated."""
    headers: Parameters = field(default_factory=dict)
    needed: frozenset[str] = frozenset()
    """The parameters that must be there."""
    status: HTTPStatus = HTTPStatus.OK
    answer: Schema | None = field(default_factory=dict)
    """None: an answer without a body."""
    media_type: str = JSON_TYPE
    is_public: bool | None = None
    """None: as the face says."""
    refusals: frozenset[HTTPStatus] = frozenset()
    """Those that do not follow from the rest."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An action that can be published."""

    act: Action
    description: Description

    def __call__(self, call: Call) -> Reply:
        """Perform the action."""
        return self.act(call)


def operation(  # noqa: PLR0913 -- the facts of an operation, each named where it is used
    *,
    answer: Schema | None = ANYTHING,
    status: HTTPStatus = HTTPStatus.OK,
    body: Schema | None = None,
    query: Parameters | None = None,
    headers: Parameters | None = None,
    needed: frozenset[str] = frozenset(),
    media_type: str = JSON_TYPE,
    is_public: bool | None = None,
    refusals: frozenset[HTTPStatus] = frozenset(),
) -> Callable[[Action], Operation]:
    """Describe an action; its docstring is the summary."""

    def describe(act: Action) -> Operation:
        description = Description(
            summary=summary_of(act),
            body=body,
            query=query or {},
            headers=headers or {},
            needed=needed,
            status=status,
            answer=answer,
            media_type=media_type,
            is_public=is_public,
            refusals=refusals,
        )
        return Operation(act, description)

    return describe


def removal(act: Action) -> Operation:
    """Describe an action that answers nothing."""
    return operation(status=HTTPStatus.NO_CONTENT, answer=None)(act)


def summary_of(act: Callable[..., object]) -> str:
    """Return the first line of a docstring, or the words of the name."""
    first = (act.__doc__ or act.__name__.strip("_").replace("_", " ")).strip().splitlines()[0]
    return first.removesuffix(".")
