"""Which message answers which request, and by which method: the names say it, or `overrides`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .errors import Place, Problem, Repair
from .model import Declared, Exchange, Message
from .naming import method_name

OVERRIDES = "ANSWERED_BY in codegen/overrides.py"


def is_request(message: Message) -> bool:
    """Whether clients send a message to get an answer."""
    return message.name.endswith("Req") and message.payload_type is not None


def exchanges(
    declared: Declared, answered_by: Mapping[str, str], *, repair: bool = False
) -> Iterator[Exchange | Problem | Repair]:
    """One exchange for each request, or what stands in its way."""
    for request in declared.messages:
        if is_request(request):
            yield _exchange(request, declared, answered_by, repair)


def _exchange(
    request: Message, declared: Declared, answered_by: Mapping[str, str], repair: bool
) -> Exchange | Problem | Repair:
    place = Place(request.file, request.line)
    regular = request.name.removesuffix("Req") + "Res"
    named = answered_by.get(request.name)
    if named is not None and regular in declared.message:
        return Problem(
            place,
            f"{request.name} is answered by {regular}, so its entry in {OVERRIDES} is needless",
            "Remove the entry, or if it is right all the same, say why and teach exchanges.py.",
        )
    answer = declared.message.get(named or regular)
    if answer is None:
        return Problem(
            place,
            f"{request.name} has no answer: there is no {named or regular}",
            f"Name the message that answers it in {OVERRIDES}.",
        )
    if answer.payload_type is None:
        what = f"{request.name}: its answer {answer.name} has no payload type to know it by"
        if repair:
            return Repair(place, f"{what}: it has no method")
        return Problem(place, what, f"Give {answer.name} a payloadType with a default.")
    return Exchange(request.name, answer.name, method_name(request.name))


def unused_overrides(
    declared: Declared, answered_by: Mapping[str, str], odd_words: Mapping[str, str]
) -> Iterator[Problem]:
    """What is kept by hand for requests and words that the schema does not have."""
    for request in answered_by:
        if request not in declared.message:
            yield Problem(
                Place("codegen/overrides.py"),
                f"ANSWERED_BY: the schema has no {request}",
                "Remove the entry.",
            )
    names = [m.name for m in declared.messages]
    names += [f.key for m in declared.messages for f in m.fields]
    for word in odd_words:
        if not any(word in name for name in names):
            yield Problem(
                Place("codegen/naming.py"),
                f"ODD_WORDS: no name of the schema has {word} in it",
                "Remove the entry.",
            )
