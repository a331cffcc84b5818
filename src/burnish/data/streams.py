"""Data files as text: compression, encoding and byte-order marks, with faults told by row.

A truncated archive or a wrong byte must not end a file early without a word, so every way
of failing becomes an error that names the file and, where it can be known, the row.

Owner of `zstandard`. Called by `burnish.data.formats`.
"""

import codecs
import gzip
import io
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from burnish.data.table import bad_row, unmarked_utf_16
from burnish.errors import DataFormatError, DataNotFoundError, MissingPackageError

COMPRESSIONS = (".gz", ".zst")
_BLOCK_BYTES = 1 << 20
_HEAD_BYTES = 1 << 10  # from which an encoding is guessed
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
_SIGNATURES = {
    b"\x1f\x8b": "a gzip archive; add .gz to its name",
    b"\x28\xb5\x2f\xfd": "a zstd archive; add .zst to its name",
    b"PK\x03\x04": "a zip archive or an Excel workbook; save it as csv or jsonl",
    b"PAR1": "a Parquet file; name it .parquet",
    b"\xff\xfe": "UTF-16 text; set `data.encoding: utf-16`",
    b"\xfe\xff": "UTF-16 text; set `data.encoding: utf-16`",
}
_LONGEST_SIGNATURE = max(map(len, _SIGNATURES))


@contextmanager
def binary_stream(path: Path) -> Iterator[IO[bytes]]:
    """Yield the file's bytes, decompressed by its name.

    Raises:
        DataNotFoundError: BN201, the file is absent or may not be read.
        DataFormatError: BN202, the archive is damaged or cut short.
    """
    try:
        with _opened(path) as stream:
            yield stream
    except _DAMAGED as err:
        what = f"the archive is damaged or cut short ({err}); "
        what += f"{_lines_before_fault(path)} whole line(s) could be read"
        raise bad_row(path, None, what, "copy or download the file again") from err
    except OSError as err:
        raise not_readable(path, err) from err


def not_readable(path: Path, err: OSError) -> DataNotFoundError:
    """Return the error for a file that is absent, or may not be read."""
    return DataNotFoundError(
        f"cannot be read: {err.strerror or err}",
        where=str(path),
        fix="give the path of a file that exists and may be read",
    )


@contextmanager
def text_stream(path: Path, *, encoding: str, by_row: bool = False) -> Iterator[io.TextIOWrapper]:
    """Yield the file as text, lines ending as they do in the file, the byte-order mark removed.

    Args:
        path: of the file, also packed.
        encoding: of its text.
        by_row: let single bytes that are not text through, as halves of surrogate pairs, which
            are then faults of their rows and not of the file.

    Raises:
        DataNotFoundError: BN201, the file is absent or may not be read.
        DataFormatError: BN202, damaged archive, unknown encoding, or bytes that are not text
            in that encoding; names the row.
    """
    # utf-8-sig reads plain UTF-8 too, and takes the mark off where there is one.
    name = "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding
    with binary_stream(path) as stream:
        try:
            _skip_mark(stream, name)
            if by_row and _is_signed(stream):
                raise _bad_encoding(path, encoding, name)
            errors = "surrogateescape" if by_row else "strict"
            with io.TextIOWrapper(stream, encoding=name, errors=errors, newline="") as text:
                yield text
        except LookupError as err:
            raise DataFormatError(
                f"no character encoding is called {encoding!r}",
                where="recipe key `data.encoding`",
                fix="use utf-8, utf-16, latin-1 or cp1252",
            ) from err
        except UnicodeError as err:
            raise _bad_encoding(path, encoding, name) from err


def _is_signed(stream: Any) -> bool:
    """Whether it begins as another kind of file does."""
    head: bytes = stream.peek(_LONGEST_SIGNATURE)
    return head.startswith(tuple(_SIGNATURES))


def _skip_mark(stream: Any, encoding: str) -> None:
    """Take off the byte-order mark, which encodings that name their order leave in the text."""
    codec = codecs.lookup(encoding).name
    if codec.endswith(("-le", "-be")):
        mark = "\ufeff".encode(codec)
        if stream.peek(len(mark)).startswith(mark):
            stream.read(len(mark))


def _bad_encoding(path: Path, encoding: str, codec: str) -> DataFormatError:
    """Read the file again as a whole to find the row of the first wrong byte."""
    with binary_stream(path) as stream:
        content = stream.read()
    seen = [what for mark, what in _SIGNATURES.items() if content.startswith(mark)]
    if seen:
        what, _, fix = seen[0].partition("; ")
        return bad_row(path, 1, f"this is {what}, not {encoding} text", fix)
    unmarked = unmarked_utf_16(content[:_HEAD_BYTES].decode("latin-1"))
    if unmarked and unmarked != codecs.lookup(codec).name:
        fix = f"set `data.encoding: {unmarked}`"
        return bad_row(path, 1, f"this looks like UTF-16 without its mark, not {encoding}", fix)
    row, wrong = 1, ""
    try:
        content.decode(codec)
    except UnicodeDecodeError as err:
        row = content[: err.start].decode(codec, errors="ignore").count("\n") + 1
        wrong = f" (byte 0x{content[err.start]:02x})"
    except UnicodeError:
        pass  # the codec does not tell where, as UTF-16 without its mark
    fix = "set `data.encoding` (`--encoding`) to the file's own, often latin-1, cp1252 or utf-16"
    # A line, which is no record of CSV: there is a header, and cells may hold line ends.
    return DataFormatError(f"not {encoding} text{wrong}", where=f"{path}, line {row}", fix=fix)


def compression_of(path: Path) -> str:
    """Return the one of `COMPRESSIONS` that a file's name ends in, in any case; "" without."""
    suffix = path.suffix.lower()
    return suffix if suffix in COMPRESSIONS else ""


def _opened(path: Path) -> Any:
    compression = compression_of(path)
    if compression == ".gz":
        return gzip.open(path, "rb")
    if compression == ".zst":
        return closing(io.BufferedReader(_Stream(_unpacked(path)), _BLOCK_BYTES))
    return path.open("rb")


class _Stream(io.RawIOBase):
    """Blocks of bytes as a file to read from."""

    def __init__(self, blocks: Generator[bytes]) -> None:
        self._blocks, self._ready = blocks, b""

    def readable(self) -> bool:
        """Return True: that is all it can do."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with the next bytes; 0 at the end."""
        while not self._ready:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._ready = block
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def close(self) -> None:
        """Close the file beneath."""
        self._blocks.close()
        super().close()


def _unpacked(path: Path) -> Generator[bytes]:
    """Yield the content of a .zst file of one or more frames.

    Not by the package's stream reader, which takes a file cut in the middle of a frame for a
    complete one.

    Raises:
        EOFError: damaged or cut short.
    """
    try:
        import zstandard
    except ImportError as err:
        raise MissingPackageError(
            "reading .zst files needs the package zstandard",
            where=str(path),
            fix="pip install zstandard, or decompress the file",
        ) from err
    frame: Any = None
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            while block:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                try:
                    yield frame.decompress(block)
                except zstandard.ZstdError as err:
                    raise EOFError(str(err)) from err
                block = b""
                if frame.eof:
                    block, frame = frame.unused_data, None
    if frame is not None:
        raise EOFError("it ends in the middle of a frame")


def _lines_before_fault(path: Path) -> int:
    lines = 0
    try:
        with _opened(path) as stream:
            while block := stream.read1(_BLOCK_BYTES // 16):  # what stands before the fault too
                lines += block.count(b"\n")
    except _DAMAGED:
        pass
    return lines
