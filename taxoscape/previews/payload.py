"""Payload: numbers and texts as one compressed text that a page carries within itself and unpacks in the browser.

Layout before compression: the length of the header (4 bytes, little-endian), the header (JSON: `content` as given,
`arrays` name -> dtype, shape, offset), then the arrays one after another, each starting at a multiple of 8 bytes.
Compressed by gzip and written as base64, so that no text in it can end the script element that holds it.
"""

import base64
import gzip
import json

import numpy as np

KINDS = {"u1", "u2", "u4", "f4"}  # what a browser's typed arrays read
ALIGN = 8  # bytes


def pack(content: dict, arrays: dict[str, np.ndarray]) -> str:
    """Pack JSON-able `content` and little-endian arrays of the KINDS; the same bytes each time."""
    listed, parts, offset = {}, [], 0
    for name, array in arrays.items():
        kind = array.dtype.str[1:]
        if kind not in KINDS:
            raise ValueError(f"{name} is {array.dtype}: a page reads {', '.join(sorted(KINDS))}")
        raw = np.ascontiguousarray(array, dtype=f"<{kind}").tobytes()
        raw += b"\0" * (-len(raw) % ALIGN)
        listed[name] = {"kind": kind, "shape": list(array.shape), "offset": offset}
        parts.append(raw)
        offset += len(raw)
    header = json.dumps({"content": content, "arrays": listed}, allow_nan=False, separators=(",", ":")).encode()
    header += b" " * (-(len(header) + 4) % ALIGN)
    whole = len(header).to_bytes(4, "little") + header + b"".join(parts)
    return base64.b64encode(gzip.compress(whole, compresslevel=9, mtime=0)).decode()


def whole_numbers(counts: np.ndarray) -> np.ndarray:
    """Counts in the smallest kind that holds them."""
    counts = np.asarray(counts)
    return counts.astype(next(kind for kind in ("u1", "u2", "u4") if counts.max(initial=0) <= np.iinfo(kind).max))
