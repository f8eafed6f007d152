"""The tiny model with another chat template in its file, which keeps its length."""

from __future__ import annotations

from pathlib import Path

from localai.catalog.names import TINY


def with_template(path: Path, template: str) -> str:
    """Write the model to `path`; return the path."""
    data = TINY.read_bytes()
    start = data.index(b"{%", data.index(b"tokenizer.chat_template"))
    length = int.from_bytes(data[start - 8 : start], "little")
    own = template.encode()
    room = length - len(own)
    assert room >= 4, f"{-room} bytes too long"
    path.write_bytes(
        data[:start] + own + b"{#" + b" " * (room - 4) + b"#}" + data[start + length :]
    )
    return str(path)
