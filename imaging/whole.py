"""Whether a WebP or JPEG 2000 file has its end: decoders make up what is missing."""

import struct

JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"
"""How a JP2 file begins (ISO/IEC 15444-1, I.5.1)."""
CODESTREAM = b"\xff\x4f\xff\x51"
"""How a JPEG 2000 codestream begins: SOC and SIZ."""
_END = b"\xff\xd9"


def is_webp(content: bytes) -> bool:
    """Whether a file begins as WebP does."""
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


def is_whole(content: bytes) -> bool:
    """Whether a WebP or JPEG 2000 file is as long as it says, and its codestream has an end.

    Args:
        content: The file.
    """
    if is_webp(content):
        return len(content) >= 8 + int.from_bytes(content[4:8], "little")
    return _codestream(content).rstrip(b"\0").endswith(_END)


def _codestream(content: bytes) -> bytes:
    """The codestream; nothing where the file ends before it does."""
    if content.startswith(CODESTREAM):
        return content
    position = 0
    while position + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        header = 8
        if length == 1:
            if position + 16 > len(content):
                break
            (length,) = struct.unpack_from(">Q", content, position + 8)
            header = 16
        end = position + length if length else len(content)
        if length and length < header:
            break
        if kind == b"jp2c":
            return content[position + header : end] if end <= len(content) else b""
        position = end
    return b""
