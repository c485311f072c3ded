"""The journal of orders: a file of the trading requests that were sent and are not over.

A request is on the disk before its first byte is on the wire, so whatever kills the process, the
next one knows what may have happened.

The file is JSON Lines, and appended to while it is open: `opened` (with the request), `known` (the
ids that the server gave) and `ended`; `used` stands for a new order that is over and had a
client_order_id of its program's own: the last 10,000 of these are kept. A line that is torn, by a
kill or a full disk, counts as not written: of an `opened` that means that the request was not sent.
Requests hold no secrets. Who opens the file puts one in its place that holds no more than what is
open or used (not on Windows, where an open file cannot be replaced). When `open_orders()` is empty
and no process has the file open, it may be deleted, and with it the ids that are refused.
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

from .. import files, proto
from ..errors import DecodeError
from ..message import Request
from ..schema import Schema
from .errors import JournalInUse

log = logging.getLogger(__name__)

_FLAGS = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)
KEPT = 10_000
"""Ids of orders that are over, and are refused when they are given again."""

_NOT_SENT = "NOT_SENT"
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


@dataclass(frozen=True, slots=True)
class UsedId:
    """A client_order_id that a program gave to an order which is over."""

    status: str
    """How it ended, the name of an OrderStatus; UNKNOWN if nobody follows it any more."""
    order_id: int | None
    position_id: int | None


class Journal:
    """An open journal, held by this process alone. Made anew if there is none at `path`.

    `schema` is the release whose requests are in it. Raises JournalInUse if somebody else has it
    open, DecodeError if the file is something else, OSError with what to do if it cannot be had at
    all. Where `path` is a link, it is the file that it leads to.
    """

    def __init__(self, path: str | os.PathLike[str], schema: Schema = proto.SCHEMA) -> None:
        self._path = files.real(path)
        self._schema = schema
        self._open: dict[str, OpenOrder] = {}
        self._used: dict[tuple[int, str], UsedId] = {}
        self._writing = threading.Lock()
        self._file = _open_alone(self._path)
        try:
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

    def used(self, account_id: int, client_order_id: str) -> UsedId | None:
        """What became of the order that had this id, if one had it that is over and was sent."""
        return self._used.get((account_id, client_order_id))

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
            self._over(key, status)

    def _over(self, key: str, status: str) -> None:
        order = self._open.pop(key)
        fields: Any = order.request
        given: str | None = getattr(fields, "client_order_id", None)
        if given is not None and given != key and status != _NOT_SENT:
            used = UsedId(status, order.order_id, order.position_id)
            self._use(fields.ctid_trader_account_id, given, used)

    def _use(self, account_id: int, client_order_id: str, used: UsedId) -> None:
        self._used.pop((account_id, client_order_id), None)  # it goes to the end
        self._used[account_id, client_order_id] = used
        if len(self._used) > KEPT:
            del self._used[next(iter(self._used))]

    def _append(self, record: Mapping[str, object]) -> None:
        line = _line(record)
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
            files.sync_folder(self._path.parent)
            return True
        if not data.startswith(_HEADER):
            raise DecodeError(f"expected a journal of orders, {self._path} is something else")
        lines = data.split(b"\n")
        lines_of: dict[str, list[bytes]] = {}
        for number, line in enumerate(lines[1:], 2):
            try:
                record = json.loads(line) if line else None
            except ValueError:
                log.info("%s: line %d is torn: it was never finished", self._path, number)
                continue
            try:
                if record is not None:
                    lines_of.setdefault(self._take(record), []).append(line)
            except (KeyError, TypeError, AttributeError, DecodeError) as error:
                what = f"line {number} of the journal {self._path} is no record of this release"
                raise DecodeError(f"{what}: {error!r}") from error
        return self._compacted(data, lines_of) or lines[-1] == b""

    def _compacted(self, data: bytes, lines_of: Mapping[str, list[bytes]]) -> bool:
        """Leave out what is over, if anything is, and if the disk lets us."""
        used = (
            _line(_used_record(account, given, each))
            for (account, given), each in self._used.items()
        )
        open_ = (line + b"\n" for key in self._open for line in lines_of[key])
        kept = [_HEADER, *used, *open_]
        fresh = b"".join(kept)
        if len(fresh) >= len(data) or sys.platform == "win32":
            return False
        try:
            file = _replaced(self._path, fresh)
        except OSError as error:
            log.warning("%s keeps what is over: %s", self._path, files.explained(error))
            return False
        os.close(self._file)
        self._file = file
        files.sync_folder(self._path.parent)
        return True

    def _take(self, record: dict[str, Any]) -> str:
        """Learn from a line; returns whose it is."""
        if "opened" in record:
            request: Any = self._schema.by_name[record["request"]].from_dict(record["payload"])
            key: str = record["opened"]
            self._open[key] = OpenOrder(key, request, record["at"], record["mark"])
            return key
        if "known" in record:
            order = self._open[record["known"]]
            ids = {"order_id": record["order"], "position_id": record["position"]}
            self._open[order.key] = replace(order, **ids)
            return order.key
        if "used" in record:
            used = UsedId(record["status"], record["order"], record["position"])
            self._use(record["account"], record["used"], used)
            return ""  # the line of no open order
        ended: str = record["ended"]
        self._over(ended, record["status"])
        return ended


def _line(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _used_record(account_id: int, client_order_id: str, used: UsedId) -> dict[str, object]:
    return {
        "used": client_order_id,
        "account": account_id,
        "status": used.status,
        "order": used.order_id,
        "position": used.position_id,
    }


def _open_alone(path: Path) -> int:
    """The file at `path`, locked. If another process replaces it before it is, the new one."""
    while True:
        try:
            file = os.open(path, _FLAGS | os.O_CREAT, 0o600)
        except OSError as error:
            what = f"cannot write the journal {path}: {files.explained(error)}"
            raise OSError(error.errno, what) from error
        try:
            _lock(file, path)
            if _is_at(path, file):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _replaced(path: Path, data: bytes) -> int:
    """Another file in the place of this one, locked like it, as a whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)  # left by a process that was killed
    file = os.open(new, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _lock(file, new)
        files.write_all(file, data)
        new.replace(path)
    except BaseException:
        os.close(file)
        new.unlink(missing_ok=True)
        raise
    return file


def _lock(file: int, path: Path) -> None:
    """Keep everybody else out until the file is closed, or the process is gone."""
    if not files.try_lock(file, 1 << 40):  # a byte that is never written
        raise JournalInUse(f"somebody else has the journal {path} open")
