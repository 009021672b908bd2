"""Image files as TensorFlow operations: the picture that `imaging` sees, or INVALID_ARGUMENT.

The exported model is sent whatever a client has. TensorFlow's own decoders would answer for a file
that ingest turns upright, scales, lays on black or refuses, and show the network another picture.
What `imaging` passes on as it is, JPEG and PNG of 8 bits, decodes here bit by bit as it does there.
"""

import numpy as np
import tensorflow as tf

_EOI = b"\xff\xd9"
_PROBE = b"\x55\x2a" * 64
"""Entropy-coded data, of which a picture that lacks none takes nothing."""
_INVENTED, _NEAR = 128, 16
"""The level of blocks that libjpeg had no data for, and what blurred colours may add to it."""
_PROGRESSIVE, _SOS = 0xC2, 0xDA
_NOWHERE = -1
"""The position that a walk ends at where something is wrong."""
_ORIENTATION = 0x0112
_SHORT = 3
_BMP_HEADERS = (40, 108, 124)


def decode_stored(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes what ingest has stored: a JPEG or PNG file that `imaging` passed on.

    Args:
        encoded: Scalar string, the file's bytes.

    Returns:
        uint8 RGB pixels, shape [height, width, 3]: as `decode`, which need not be asked whether
        this is such a file.

    Raises:
        tf.errors.InvalidArgumentError: The bytes are not a whole file.
    """
    pixels = tf.cond(
        tf.equal(tf.strings.substr(encoded, 0, 2), b"\xff\xd8"),
        lambda: _exactly(encoded),
        lambda: tf.io.decode_png(encoded, channels=3),
    )
    pixels.set_shape([None, None, 3])
    return pixels


# One function in a graph, however many of its signatures call it.
@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG or PNG file, or a BMP file of 8 or 24 bits a pixel.

    Pictures are turned upright as EXIF says, 16 bits are shown from the least value to the
    greatest, and what is transparent lies on black. A JPEG file that was cut off, a CMYK or a
    progressive one, a packed BMP, a GIF and all else is refused: `imaging.reader` makes a PNG file
    of what it can read.

    Args:
        encoded: Scalar string, the file's bytes.

    Returns:
        uint8 RGB pixels, shape [height, width, 3].

    Raises:
        tf.errors.InvalidArgumentError: The bytes are not such a file, or not a whole one.
    """
    octets = tf.cast(tf.io.decode_raw(encoded, tf.uint8), tf.int32)
    pixels = tf.case(
        [
            (_starts(octets, b"\xff\xd8\xff"), lambda: _jpeg(encoded, octets)),
            (_starts(octets, b"\x89PNG\r\n\x1a\n"), lambda: _png(encoded, octets)),
            (_starts(octets, b"BM"), lambda: _bmp(encoded, octets)),
        ],
        default=lambda: _checked(
            tf.zeros([1, 1, 3], tf.uint8), (tf.constant(False), "Neither JPEG, PNG nor BMP.")
        ),
    )
    pixels.set_shape([None, None, 3])
    return pixels


# Octets


def _starts(octets: tf.Tensor, start: bytes) -> tf.Tensor:
    """Whether octets, int32 [n], begin with these."""
    return tf.logical_and(
        tf.size(octets) >= len(start),
        tf.reduce_all(tf.equal(_padded(octets, 0, len(start)), list(start))),
    )


def _padded(octets: tf.Tensor, start: int | tf.Tensor, count: int) -> tf.Tensor:
    """So many octets from a position on; zeros where there are none."""
    found = octets[start : start + count]
    padded = tf.pad(found, [[0, count - tf.size(found)]])
    padded.set_shape([count])
    return padded


def _number(
    octets: tf.Tensor, start: int | tf.Tensor, size: int, little: tf.Tensor | bool = True
) -> tf.Tensor:
    """The unsigned number of so many octets at a position, int64, its least first if little."""
    weights = np.array([256**power for power in range(size)], np.int64)
    digits = tf.cast(_padded(octets, start, size), tf.int64)
    return tf.reduce_sum(digits * tf.where(little, weights, weights[::-1]))


def _places(octets: tf.Tensor, wanted: bytes) -> tf.Tensor:
    """Where octets stand that follow each other so, int32 [found]."""
    rest = tf.size(octets) - len(wanted) + 1
    same = [tf.equal(octets[i : i + rest], value) for i, value in enumerate(wanted)]
    found = tf.where(tf.reduce_all(tf.stack(same), axis=0))[:, 0]
    return tf.cast(tf.cond(rest > 0, lambda: found, lambda: tf.zeros([0], tf.int64)), tf.int32)


def _checked(value: tf.Tensor, *checks: tuple[tf.Tensor, str]) -> tf.Tensor:
    """The value, once each condition is seen to hold; the first that does not gives its reason."""
    with tf.control_dependencies([tf.debugging.Assert(good, [reason]) for good, reason in checks]):
        return tf.identity(value)


# JPEG


def _jpeg(encoded: tf.Tensor, octets: tf.Tensor) -> tf.Tensor:
    start, components, orientation = _jpeg_header(octets)
    scan = tf.maximum(start, 0)
    ends = _places(octets[scan:], _EOI)
    encoded = _checked(
        encoded,
        (_all(start > 0, tf.size(ends) > 0), "A truncated or damaged JPEG file."),
        (
            _among(components, 1, 3),
            "A JPEG file, progressive or neither grey nor of three colours: send it as PNG.",
        ),
        (
            tf.equal(tf.size(_places(octets[scan:], bytes([0xFF, _SOS]))), 1),
            "A JPEG file of several scans: send it as PNG.",
        ),
    )
    whole = tf.strings.substr(encoded, 0, scan + tf.concat([ends, [0]], 0)[0])
    pixels = _exactly(whole + _EOI)
    # libjpeg completes a file that ends too early with grey blocks. Where the last one may be such
    # a block, more data tell: it warns of data that are left over, so it is not done for all files.
    is_suspect = tf.reduce_all(tf.abs(tf.cast(pixels[-1, -1], tf.int32) - _INVENTED) <= _NEAR)
    is_whole = tf.cond(
        is_suspect,
        lambda: tf.reduce_all(tf.equal(pixels, _exactly(whole + _PROBE + _EOI))),
        lambda: True,
    )
    return _turned(_checked(pixels, (is_whole, "A truncated JPEG file.")), orientation)


def _exactly(encoded: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")


def _jpeg_header(octets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Walks over the segments up to the first scan (ISO/IEC 10918-1 B).

    Returns:
        int32: where the scan's segment begins, or _NOWHERE; how many colour components there are, 0
        in a progressive file; and the orientation, 0 where the file says none.
    """

    def step(
        position: tf.Tensor, components: tf.Tensor, orientation: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        head = _padded(octets, position, 10)
        marker = head[1]
        end = position + 2 + head[2] * 256 + head[3]
        is_fill = tf.equal(marker, 0xFF)
        is_frame = _among(marker, 0xC0, 0xC1, _PROGRESSIVE)
        is_known = _all(
            tf.logical_or(is_frame, _among(marker, 0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0))),
            tf.logical_or(~is_frame, tf.equal(head[4], 8)),  # bits a sample
            end >= position + 4,
            end <= tf.size(octets),
        )
        is_first_exif = _all(
            tf.equal(marker, 0xE1),
            tf.reduce_all(tf.equal(head[4:], list(b"Exif\0\0"))),
            tf.equal(orientation, 0),
        )
        after = tf.where(is_fill, position + 1, tf.where(is_known, end, _NOWHERE))
        return (
            tf.where(tf.equal(head[0], 0xFF), after, _NOWHERE),
            tf.where(is_frame, tf.where(tf.equal(marker, _PROGRESSIVE), 0, head[9]), components),
            tf.cond(
                is_first_exif,
                lambda: _orientation(octets[position + 10 : end]),
                lambda: orientation,
            ),
        )

    def is_before_scan(position: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
        head = _padded(octets, tf.maximum(position, 0), 2)
        at_scan = tf.reduce_all(tf.equal(head, [0xFF, _SOS]))
        return tf.logical_and(position != _NOWHERE, ~at_scan)

    position, components, orientation = tf.while_loop(
        is_before_scan, step, (tf.constant(2), tf.constant(0), tf.constant(0))
    )
    return position, components, orientation


def _all(*conditions: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(tf.stack(conditions))


def _among(number: tf.Tensor, *values: int) -> tf.Tensor:
    return tf.reduce_any(tf.equal(number, tf.constant(values, number.dtype)))


# PNG


def _png(encoded: tf.Tensor, octets: tf.Tensor) -> tf.Tensor:
    header = _padded(octets, 0, 26)
    bits, colour = header[24], header[25]
    data = tf.concat([_places(octets, b"IDAT"), tf.size(octets)[tf.newaxis]], 0)[0]
    has_end = tf.size(_places(octets, b"IEND")) > 0
    has_alpha = tf.logical_or(_among(colour, 4, 6), tf.size(_places(octets[:data], b"tRNS")) > 0)
    exif = _places(octets, b"eXIf")
    orientation = tf.cond(
        tf.size(exif) > 0, lambda: _orientation(octets[exif[0] + 4 :]), lambda: tf.constant(1)
    )
    whole = _checked(encoded, (has_end, "A truncated PNG file."))
    pixels = tf.case(
        [
            (
                tf.equal(bits, 16),
                lambda: _full_range(
                    _on_black(tf.io.decode_png(whole, channels=4, dtype=tf.uint16))
                ),
            ),
            (has_alpha, lambda: _on_black(tf.io.decode_png(whole, channels=4))),
        ],
        default=lambda: tf.io.decode_png(whole, channels=3),
    )
    return _turned(pixels, orientation)


def _on_black(values: tf.Tensor) -> tf.Tensor:
    """`imaging.picture.on_black` of RGB with alpha."""
    wide = tf.cast(values, tf.int64)
    full = values.dtype.max
    return tf.cast((wide[..., :3] * wide[..., 3:] + full // 2) // full, values.dtype)


def _full_range(values: tf.Tensor) -> tf.Tensor:
    """`imaging.picture.full_range` of whole numbers."""
    numbers = tf.cast(values, tf.float32)
    low, high = tf.reduce_min(numbers), tf.reduce_max(numbers)
    share = tf.math.divide_no_nan(numbers - low, high - low)
    return tf.cast(tf.round(share * 255.0), tf.uint8)


# BMP


def _bmp(encoded: tf.Tensor, octets: tf.Tensor) -> tf.Tensor:
    size, bits, packing = _number(octets, 14, 4), _number(octets, 28, 2), _number(octets, 30, 4)
    is_read = _all(_among(size, *_BMP_HEADERS), _among(bits, 8, 24), tf.equal(packing, 0))
    plain = _checked(
        encoded, (is_read, "A BMP file that is not plain with 8 or 24 bits: send it as PNG.")
    )
    return tf.cond(
        tf.equal(bits, 24),
        lambda: tf.io.decode_bmp(plain, channels=3),
        lambda: _coloured(tf.io.decode_bmp(plain), octets, tf.cast(size, tf.int32)),
    )


def _coloured(indices: tf.Tensor, octets: tf.Tensor, header: tf.Tensor) -> tf.Tensor:
    """Looks the pixels of a BMP file up in its palette: blue, green, red, nothing."""
    count = tf.cast(_number(octets, 46, 4), tf.int32)
    count = tf.where(tf.equal(count, 0), 256, count)
    start = 14 + header
    palette = octets[start : start + 4 * count]
    places = tf.cast(indices[..., 0], tf.int32)
    is_whole = _all(tf.equal(tf.size(palette), 4 * count), tf.reduce_max(places) < count)
    whole = _checked(palette, (is_whole, "A BMP file with an incomplete palette."))
    return tf.cast(tf.gather(tf.reshape(whole, [-1, 4])[:, 2::-1], places), tf.uint8)


# EXIF


@tf.function(input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False)
def _orientation(exif: tf.Tensor) -> tf.Tensor:
    """`imaging.exif.orientation` of octets, int32 [n]: 1 to 8."""
    little = _starts(exif, b"II*\0")
    start = _number(exif, 4, 4, little)
    # A number that no file is long enough for would not fit into a position.
    start = tf.cast(tf.minimum(start, tf.size(exif, tf.int64)), tf.int32)
    count = tf.cast(_number(exif, start, 2, little), tf.int32)
    count = tf.minimum(count, tf.maximum(tf.size(exif) - start - 2, 0) // 12)
    entries = tf.reshape(exif[start + 2 : start + 2 + 12 * count], [-1, 6, 2])
    shorts = tf.reduce_sum(entries * tf.where(little, [1, 256], [256, 1]), axis=2)
    found = tf.boolean_mask(shorts, tf.equal(shorts[:, 0], _ORIENTATION))[:1]
    kind, value = found[:, 1], found[:, 4]
    good = tf.equal(kind, _SHORT) & (value >= 1) & (value <= 8)
    good &= little | _starts(exif, b"MM\0*")
    return tf.concat([tf.boolean_mask(value, good), [1]], 0)[0]


@tf.function(
    input_signature=[tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([], tf.int32)],
    autograph=False,
)
def _turned(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """`imaging.exif.turned`."""
    pixels = tf.cond(orientation >= 5, lambda: tf.transpose(pixels, [1, 0, 2]), lambda: pixels)
    upside_down = _among(orientation, 3, 4, 7, 8)
    mirrored = _among(orientation, 2, 3, 6, 7)
    pixels = tf.cond(upside_down, lambda: tf.reverse(pixels, [0]), lambda: pixels)
    return tf.cond(mirrored, lambda: tf.reverse(pixels, [1]), lambda: pixels)
