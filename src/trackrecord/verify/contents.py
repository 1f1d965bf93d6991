"""Contents of runs beside their hash and size, as far as they were kept whole."""

from __future__ import annotations

from typing import Final

from trackrecord.canonical import digest
from trackrecord.record.redact import MASK
from trackrecord.store.differences import named
from trackrecord.store.filing import MAX_PAYLOAD_BYTES
from trackrecord.store.reader import SqliteReader
from trackrecord.verify.findings import Notebook

_PAYLOADS: Final = "SELECT tenant_id, run_id, kind, body, sha256, size, was_truncated FROM run_payloads"


def check_payloads(reader: SqliteReader, notebook: Notebook) -> None:
    """A body without a mask is the whole text, whatever the policy: redaction always leaves its mask where it cut."""
    for tenant_id, run_id, kind, body, sha256, size, was_truncated in reader.tuples(_PAYLOADS):
        notebook.count("payloads")
        row = named(tenant_id, run_id=run_id, kind=kind)
        kept = 0 if body is None else len(body.encode())
        if kept > MAX_PAYLOAD_BYTES:
            notebook.find("payloads", "run_payloads", row, f"its body has {kept} bytes, above {MAX_PAYLOAD_BYTES}")
        elif body is None or was_truncated:
            notebook.leave("payloads")
        elif size != kept or sha256 != digest(body):
            if MASK in body:
                notebook.leave("payloads")
            else:
                message = f"its body has {kept} bytes and another hash than the {size} bytes it was made from"
                notebook.find("payloads", "run_payloads", row, message)
