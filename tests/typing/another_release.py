"""What `python -m codegen --package` makes, reduced to what `connect(schema=...)` asks of it."""

from ctrader_typed import SCHEMA, Client, ProtoOAVersionReq, ProtoOAVersionRes

__all__ = ["SCHEMA", "Api"]


class Api(Client):
    """The client of another release."""

    async def version_of_old(self) -> ProtoOAVersionRes:
        """A method that ours does not have."""
        return await self.request(ProtoOAVersionReq())
