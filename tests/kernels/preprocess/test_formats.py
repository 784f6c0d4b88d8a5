"""What each format takes and refuses, a fault at a time; the judge is TensorFlow 2.21's ``decode_image``.

``test_odd_pictures`` holds combinations of all this to it.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from accelserve.kernels.preprocess import ImageError, ImageLimits, InvalidImageError, decode_image
from accelserve.kernels.preprocess.formats.jpeg_segments import is_of_one_scan
from tests.kernels.preprocess.test_decode import FILES
from tests.odd_pictures import bmp, gif, jpeg, webp
from tests.odd_pictures.bits import BitWriter

JPEG, EXPECTED = FILES["420.jpg"]
BEHIND_APP0 = 4 + int.from_bytes(JPEG[4:6], "big")


def adobe(transform: int) -> bytes:
    return b"\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0" + bytes([transform])


ODD_HEADERS: dict[str, bytes] = {
    "JFIF revision 0.00": JPEG[:11] + b"\0\0" + JPEG[13:],
    "JFIF revision 5.7": JPEG[:11] + b"\5\7" + JPEG[13:],
    "stray bytes between segments": JPEG[:BEHIND_APP0] + b"junk" + JPEG[BEHIND_APP0:],
    "an escaped FF between segments": JPEG[:BEHIND_APP0] + b"\xff\0" + JPEG[BEHIND_APP0:],
    "an unknown transform of Adobe's": JPEG[:BEHIND_APP0] + adobe(7) + JPEG[BEHIND_APP0:],
    "a broken ICC profile": JPEG[:BEHIND_APP0] + b"\xff\xe2\0\x12ICC_PROFILE\0\3\2xx" + JPEG[BEHIND_APP0:],
    "stray bytes before the end": JPEG[:-2] + b"zz" + JPEG[-2:],
    "a video behind the end": JPEG + b"\0\0\0\x18ftypmp42" + b"\xff\xda\xff\xc3\0" * 100_000,
    "all of these": JPEG[:11]
    + b"\0\0"
    + JPEG[13:BEHIND_APP0]
    + b"junk"
    + adobe(7)
    + JPEG[BEHIND_APP0:-2]
    + b"zz\xff\xd9"
    + b"\xff\xda" * 1000,
}


@pytest.mark.parametrize("name", ODD_HEADERS)
def test_a_jpeg_with_an_odd_header_is_the_same_picture(name: str) -> None:
    np.testing.assert_array_equal(decode_image(ODD_HEADERS[name]), EXPECTED)
    np.testing.assert_array_equal(decode_image(ODD_HEADERS[name], "BGR"), EXPECTED[..., ::-1])


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", ["stray bytes between segments", "JFIF revision 0.00"])
def test_a_jpeg_with_an_odd_header_that_is_cut_short_is_refused(name: str, kept: float) -> None:
    with pytest.raises(InvalidImageError, match=r"cut short|Premature end"):
        decode_image(ODD_HEADERS[name][: int(len(JPEG) * kept)])


def test_stray_bytes_before_the_cut_hide_nothing() -> None:
    """libjpeg reports its first warning alone, and that would be about the stray bytes."""
    data, _ = FILES["restart-markers.jpg"]
    marker, later = (data.index(code, data.index(b"\xff\xda")) for code in (b"\xff\xd1", b"\xff\xd3"))
    with pytest.raises(InvalidImageError, match=r"without the end marker"):
        decode_image(data[:marker] + b"zz" + data[marker:later])


def test_only_the_pictures_own_scans_count() -> None:
    limits = ImageLimits(max_jpeg_scans=1)
    np.testing.assert_array_equal(decode_image(JPEG + b"\xff\xda" * 5000, limits=limits), EXPECTED)
    thumbnail = b"\xff\xe1\0\x0cExif\0\0\xff\xda\xff\xda"
    data = JPEG[:BEHIND_APP0] + thumbnail + JPEG[BEHIND_APP0:]
    np.testing.assert_array_equal(decode_image(data, limits=limits), EXPECTED)
    comments, scans = b"\xff\xfe\0\2" * 20_000 + b"\xff\xd9", b"\xff\xda" * 5000
    np.testing.assert_array_equal(decode_image(JPEG[:-2] + comments + scans, limits=limits), EXPECTED)
    progressive, _ = FILES["progressive.jpg"]
    with pytest.raises(InvalidImageError, match="more than 10000 segments"):
        decode_image(progressive[:-2] + comments + scans)


def test_a_sequential_picture_has_one_scan_if_that_holds_all_components() -> None:
    assert is_of_one_scan(JPEG)
    assert not is_of_one_scan(FILES["progressive.jpg"][0])
    scan, frame = JPEG.index(b"\xff\xda"), JPEG.index(b"\xff\xc0")
    assert not is_of_one_scan(JPEG[: scan + 4] + b"\1" + JPEG[scan + 5 :])  # of three components
    assert not is_of_one_scan(JPEG[:frame] + b"z" + JPEG[frame:])  # stray bytes: in doubt
    for length in range(2, scan + 10):
        assert not is_of_one_scan(JPEG[:length])


def test_a_second_scan_behind_one_of_all_components_is_no_work() -> None:
    scan = JPEG.index(b"\xff\xda")
    with pytest.raises(InvalidImageError, match="do not decode"):
        decode_image(JPEG[:-2] + JPEG[scan:-2] * 3 + JPEG[-2:], limits=ImageLimits(max_jpeg_scans=1))


def test_a_lossless_jpeg_is_refused() -> None:
    frame = JPEG.index(b"\xff\xc0")
    with pytest.raises(InvalidImageError, match="FFC3, lossless"):
        decode_image(JPEG[: frame + 1] + b"\xc3" + JPEG[frame + 2 :])


def chunks_of(data: bytes) -> list[bytes]:
    chunks, position = [], 8
    while position < len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        chunks.append(data[position:end])
        position = end
    return chunks


def chunk(name: bytes, body: bytes, flaw: int = 0) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body) ^ flaw)


def png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0))
ROWS = zlib.compress(bytes([0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12]))
DATA, END = chunk(b"IDAT", ROWS), chunk(b"IEND", b"")
COLORS = np.arange(1, 13).reshape(2, 2, 3)


@pytest.mark.parametrize(
    "side",
    [
        chunk(b"tEXt", b"a\0b", flaw=1),
        chunk(b"gAMA", b"xx"),
        chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(20_000_000))),
        chunk(b"zTXt", b"name\0\0" + zlib.compress(bytes(20_000_000))),
        chunk(b"zTXt", b"name\0\0" + b"no zlib stream"),
        chunk(b"tIME", b"") * 2,
    ],
)
def test_a_fault_in_a_side_chunk_is_no_fault_of_the_picture(side: bytes) -> None:
    np.testing.assert_array_equal(decode_image(png(HEADER, side, DATA, side, END)), COLORS)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (png(HEADER, chunk(b"IDAT", ROWS, flaw=1), END), "checksum of its chunk IDAT"),
        (png(HEADER, chunk(b"IDAT", zlib.compress(bytes(13))), END), "13 bytes of rows, expected 14"),
        (png(HEADER, chunk(b"IDAT", zlib.compress(bytes(7))), END), "7 bytes of rows, expected 14"),
        (png(HEADER, chunk(b"IDAT", ROWS[:-4]), END), "no end"),
        (png(HEADER, DATA), "without the IEND chunk"),
        (png(HEADER, END), "no IDAT"),
        (png(HEADER, DATA, chunk(b"IEND", b"", flaw=1)), "checksum of its chunk IEND"),
        (png(HEADER, chunk(b"ABCD", b""), DATA, END), "ABCD is unknown"),
        (png(HEADER, HEADER, DATA, END), "IHDR is unknown or out of place"),
        (
            png(chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 3, 0, 0, 0)), DATA, END),
            "no palette before its data",
        ),
    ],
)
def test_a_png_without_all_that_its_pixels_need_is_refused(file: bytes, words: str) -> None:
    with pytest.raises(InvalidImageError, match=words):
        decode_image(file)


def test_more_rows_than_a_png_has_are_not_inflated() -> None:
    bomb = chunk(b"IDAT", zlib.compress(bytes(100_000_000)))
    assert decode_image(png(HEADER, bomb, END)).shape == (2, 2, 3)


def one(make: Callable[[random.Random, list[str]], bytes], **wanted: str) -> bytes:
    """The first odd picture of a format about which a word is said, and no other word of ``without``."""
    for seed in range(20_000):
        oddities: list[str] = []
        data = make(random.Random(seed), oddities)
        said = " | ".join(oddities)
        if wanted["of"] in said and not any(word in said for word in wanted.get("without", "\n").split(",")):
            return data
    raise AssertionError(wanted)


def gif_file(screen: tuple[int, int], *frames: bytes, table: bytes = bytes(range(48))) -> bytes:
    flags = 0xF3 if table else 0x70
    return b"GIF89a" + struct.pack("<HHBBB", *screen, flags, 0, 0) + table + b"".join(frames) + b";"


def frame(left: int, top: int, width: int, height: int, index: int, transparent: int | None = None) -> bytes:
    control = b"" if transparent is None else b"\x21\xf9\x04\x01\0\0" + bytes([transparent]) + b"\0"
    codes: list[int] = []
    gif_codes = BitWriter()
    for _ in range(width * height):
        codes += [16, index]
    for code in [*codes, 17]:
        gif_codes.write(code, 5)
    packed = gif_codes.bytes()
    blocks = b"".join(
        bytes([len(packed[i : i + 255])]) + packed[i : i + 255] for i in range(0, len(packed), 255)
    )
    return control + b"\x2c" + struct.pack("<HHHHB", left, top, width, height, 0) + b"\4" + blocks + b"\0"


COLOR_1 = [3, 4, 5]


def test_a_gifs_canvas_is_its_largest_frame() -> None:
    assert decode_image(gif_file((9, 9), frame(0, 0, 4, 3, 1))).tolist() == [[COLOR_1] * 4] * 3
    assert decode_image(gif_file((0, 0), frame(0, 0, 4, 3, 1))).shape == (3, 4, 3)
    pixels = decode_image(gif_file((9, 9), frame(0, 0, 2, 2, 1), frame(0, 0, 3, 5, 2)))
    assert pixels.shape == (5, 3, 3)
    assert pixels[:2, :2].tolist() == [[COLOR_1] * 2] * 2
    assert not pixels[2:].any()
    assert not pixels[:, 2:].any()


def test_what_a_gif_leaves_open_or_transparent_is_black() -> None:
    assert not decode_image(gif_file((4, 4), frame(0, 0, 4, 4, 1, transparent=1))).any()
    pixels = decode_image(gif_file((4, 4), frame(1, 2, 4, 4, 1)))
    assert not pixels[:2].any()
    assert not pixels[:, :1].any()
    assert pixels[2:, 1:].tolist() == [[COLOR_1] * 3] * 2
    assert not decode_image(gif_file((4, 4), frame(50, 0, 4, 4, 1))).any()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (gif_file((4, 4), frame(0, 0, 4, 4, 1), table=b""), "no colour table"),
        (gif_file((4, 4)), "without a complete frame"),
        (gif_file((4, 4), frame(0, 0, 4, 4, 1)[:-3]), "cut short|complete frame"),
    ],
)
def test_a_gif_without_what_its_first_frame_needs_is_refused(file: bytes, words: str) -> None:
    with pytest.raises(InvalidImageError, match=words):
        decode_image(file)


def test_an_index_beyond_a_gifs_table_is_refused_unless_it_is_transparent() -> None:
    short = gif_file((4, 4), frame(0, 0, 4, 4, 9), table=b"")
    table = b"\xf1".join((short[:10], short[11:13])) + bytes(12)  # four colours
    with pytest.raises(InvalidImageError, match="beyond its table of 4 colours"):
        decode_image(table + frame(0, 0, 4, 4, 9) + b";")
    assert not decode_image(table + frame(0, 0, 4, 4, 9, transparent=9) + b";").any()


def bitmap(bits: int, rows: bytes, palette: bytes = b"", compression: int = 0, behind: bytes = b"") -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, bits, compression, 0, 0, 0, 0, 0)
    offset = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, offset) + info + palette + rows + behind


def test_a_bmps_rows_are_blue_green_red_from_below_whatever_its_masks() -> None:
    rows = bytes([7, 8, 9, 10, 11, 12, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0])
    assert decode_image(bitmap(24, rows)).tolist() == [[[3, 2, 1], [6, 5, 4]], [[9, 8, 7], [12, 11, 10]]]
    rows = bytes([7, 8, 9, 0, 10, 11, 12, 0, 1, 2, 3, 0, 4, 5, 6, 0])
    assert decode_image(bitmap(32, rows, compression=3))[0, 0].tolist() == [3, 2, 1]


def test_a_bmps_palette_counts_here() -> None:
    rows = bytes([2, 1, 0, 0, 0, 1, 0, 0])
    colored = decode_image(bitmap(8, rows, bytes([3, 2, 1, 0, 6, 5, 4, 0])))
    assert colored.tolist() == [[[1, 2, 3], [4, 5, 6]], [[0, 0, 0], [4, 5, 6]]]
    assert decode_image(bitmap(8, rows)).tolist() == [[[0] * 3, [1] * 3], [[2] * 3, [1] * 3]]
    with pytest.raises(InvalidImageError, match="compressed"):
        decode_image(bitmap(8, rows, bytes(8), compression=1))


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (bitmap(24, bytes(16), behind=bytes(10)), "got 80 bytes, expected 70"),
        (bitmap(24, bytes(15)), "got 69 bytes, expected 70"),
        (bitmap(1, bytes(8)), "1 bits a pixel, expected 8, 24 or 32"),
        (bitmap(16, bytes(8)), "16 bits a pixel"),
    ],
)
def test_a_bmp_of_another_length_or_depth_is_refused(file: bytes, words: str) -> None:
    with pytest.raises(InvalidImageError, match=words):
        decode_image(file)


def test_a_webp_is_read() -> None:
    pixels = decode_image(one(webp.write, of="VP8 ", without="VP8X,behind,chunk"))
    assert pixels.ndim == 3
    assert pixels.any()


@pytest.mark.parametrize(
    ("oddity", "words"),
    [("VP8L, alpha", "has alpha"), ("flags 0x2 ", "animation"), ("canvas of (24,", "canvas")],
)
def test_a_webp_that_is_not_one_opaque_picture_is_refused(oddity: str, words: str) -> None:
    with pytest.raises(InvalidImageError, match=words):
        decode_image(
            one(
                webp.write,
                of=oddity,
                without="behind,chunk,flags 0x12"
                if oddity.startswith("flags")
                else "behind,chunk,flags 0x2 ,flags 0x12",
            )
        )


@pytest.mark.parametrize("make", [bmp.write, gif.write, jpeg.write, webp.write])
def test_every_prefix_gives_pixels_or_an_image_error(
    make: Callable[[random.Random, list[str]], bytes],
) -> None:
    data = make(random.Random(5), [])
    for length in range(1, len(data)):
        try:
            pixels = decode_image(data[:length])
        except ImageError:
            continue
        assert pixels.shape[2] == 3
