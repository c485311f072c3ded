"""The journal of orders: a file of the trading requests that were sent and are not over.

A request is on the disk before its first byte is on the wire, so whatever kills the process, the
next one knows what may have happened. Knows no server and no loop: `opened` blocks for as long as
the disk takes (call it in a thread), the others for some microseconds.

The file is JSON Lines and only ever appended to: `opened` (with the request), `known` (the ids that
the server gave) and `ended`. A line that is torn, by a kill or a full disk, counts as not written:
of an `opened` that means that the request was not sent. Requests hold no secrets. When
`open_orders()` is empty and no process has the file open, it may be deleted.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import proto
from .errors import DecodeError, JournalInUse
from .message import Request
from .schema import Schema

log = logging.getLogger(__name__)

_HEADER = b'{"journal":"ctrader_typed orders","version":1}\n'


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """A trading request that was on its way, or whose order was not over, when last heard of."""

    key: str
    """Its name in the journal."""
    request: Request[Any]
    placed_at: int
    """When, by the clock of the process that placed it: ms since the Unix epoch."""
    mark: int | None
    """A time of the server's own clock before which it cannot have arrived, in ms, if known."""
    order_id: int | None = None
    position_id: int | None = None


class Journal:
    """An open journal, held by this process alone. Made anew if there is none at `path`.

    `schema` is the release whose requests are in it. Raises JournalInUse if somebody else has it
    open, DecodeError if the file is something else, OSError if it cannot be had at all.
    """

    def __init__(self, path: str | os.PathLike[str], schema: Schema = proto.SCHEMA) -> None:
        self._path = Path(path)
        self._schema = schema
        self._open: dict[str, OpenOrder] = {}
        self._writing = threading.Lock()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._file = os.open(self._path, flags, 0o600)
        try:
            _lock(self._file, self._path)
            self._whole = self._load()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Closing again does nothing."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def open_orders(self) -> list[OpenOrder]:
        """What is not known to be over, the oldest first."""
        return list(self._open.values())

    # --- writing ---

    def opened(self, order: OpenOrder) -> None:
        """A request is about to be sent. Returns when that is on the disk: some ms, or a second.

        Raises OSError; then the request must not be sent.
        """
        record = {
            "opened": order.key,
            "at": order.placed_at,
            "mark": order.mark,
            "request": type(order.request).__name__,
            "payload": order.request.to_dict(),
        }
        self._append(record)
        os.fsync(self._file)
        self._open[order.key] = order

    def known(self, key: str, order_id: int | None, position_id: int | None) -> None:
        """The server has given it these ids. They help to find it, so they are not waited for."""
        order = self._open.get(key)
        if order is None or (order.order_id, order.position_id) == (order_id, position_id):
            return
        self._append({"known": key, "order": order_id, "position": position_id})
        self._open[key] = replace(order, order_id=order_id, position_id=position_id)

    def ended(self, key: str, status: str) -> None:
        """It is over: `status` says how. Should that be lost, it is asked about once more."""
        if key in self._open:
            self._append({"ended": key, "status": status})
            del self._open[key]

    def _append(self, record: Mapping[str, object]) -> None:
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        with self._writing:  # a line in one piece, also where one thread opens and another ends
            self._write(line if self._whole else b"\n" + line)

    def _write(self, data: bytes) -> None:
        self._whole = False  # until proved: a part of it may be there
        while data:
            data = data[os.write(self._file, data) :]
        self._whole = True

    # --- reading ---

    def _load(self) -> bool:
        """Read the file; whether its last line is whole."""
        data = self._path.read_bytes()
        if len(data) < len(_HEADER) and _HEADER.startswith(data):  # new, or torn when it was
            os.ftruncate(self._file, 0)
            self._write(_HEADER)
            os.fsync(self._file)
            _sync_folder(self._path.parent)
            return True
        if not data.startswith(_HEADER):
            raise DecodeError(f"expected a journal of orders, {self._path} is something else")
        lines = data.split(b"\n")
        for number, line in enumerate(lines[1:], 2):
            try:
                record = json.loads(line) if line else None
            except ValueError:
                log.info("%s: line %d is torn: it was never finished", self._path, number)
                continue
            try:
                if record is not None:
                    self._take(record)
            except (KeyError, TypeError, AttributeError, DecodeError) as error:
                what = f"line {number} of the journal {self._path} is no record of this release"
                raise DecodeError(f"{what}: {error!r}") from error
        return lines[-1] == b""

    def _take(self, record: dict[str, Any]) -> None:
        if "opened" in record:
            request: Any = self._schema.by_name[record["request"]].from_dict(record["payload"])
            key: str = record["opened"]
            self._open[key] = OpenOrder(key, request, record["at"], record["mark"])
        elif "known" in record:
            order = self._open[record["known"]]
            ids = {"order_id": record["order"], "position_id": record["position"]}
            self._open[order.key] = replace(order, **ids)
        else:
            del self._open[record["ended"]]


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file as lasting as what is in it, where the system knows how."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _lock(file: int, path: Path) -> None:
    """Keep everybody else out until the file is closed, or the process is gone."""
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - each exists on its own system only

            os.lseek(file, 1 << 40, os.SEEK_SET)  # a byte that is never written
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - as above

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise JournalInUse(f"somebody else has the journal {path} open") from error
