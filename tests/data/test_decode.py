"""Expected pixels come from Pillow, or are written down."""

from __future__ import annotations

import io
import resource
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.data.pictures import chunk, encoded, jpeg_claiming, noise, png, smooth
from vertebra.data.decode import MAX_PIXELS, decode, from_picture, has_signature
from vertebra.errors import ImageError

LOSSLESS = [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("PPM", {})]
LOSSLESS += [("WEBP", {"lossless": True}), ("JPEG2000", {})]
LOSSY = [("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {"quality": 90})]


def opened(data):
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_lossless_formats_give_the_pixels(kind, options):
    image = noise()
    result = decode(encoded(image, kind, **options), "x")
    assert np.array_equal(result, image)
    assert result.flags.c_contiguous
    assert result.flags.writeable


@pytest.mark.parametrize(("kind", "options"), LOSSY)
def test_lossy_formats_are_near(kind, options):
    image = smooth()
    assert np.abs(decode(encoded(image, kind, **options), "x").astype(int) - image).mean() < 5


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_jpeg_equals_pillow(subsampling):
    data = encoded(noise(), "JPEG", subsampling=subsampling)
    assert np.array_equal(decode(data, "x"), np.asarray(opened(data)))


def test_grey_jpeg_has_three_equal_channels():
    data = encoded(noise()[..., 0], "JPEG")
    assert np.array_equal(decode(data, "x"), np.asarray(opened(data).convert("RGB")))


def test_cmyk_jpeg_is_not_inverted_and_equals_pillow():
    image = smooth()
    data = encoded(Image.fromarray(image).convert("CMYK"), "JPEG", quality=95)
    result = decode(data, "x")
    assert np.array_equal(result, np.asarray(opened(data).convert("RGB")))
    assert np.abs(result.astype(int) - image).mean() < 8


def test_cmyk_tiff():
    cmyk = Image.fromarray(smooth()).convert("CMYK")
    assert np.array_equal(decode(encoded(cmyk, "TIFF"), "x"), np.asarray(cmyk.convert("RGB")))


def test_the_first_bytes_decide_not_the_name():
    image = noise()
    assert np.array_equal(decode(encoded(image, "PNG"), "picture.jpg"), image)


VALUES = [0, 128, 255, 256, 32768, 65535]
HIGH = [0, 0, 0, 1, 128, 255]


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3)])
def test_16_bit_png_keeps_the_high_byte(colour, channels):
    row = b"\0" + b"".join(struct.pack(">H", value) * channels for value in VALUES)
    assert decode(png(6, 1, 16, colour, row), "x")[0].tolist() == [[value] * 3 for value in HIGH]


def test_16_bit_png_with_a_transparent_level():
    row = b"\0" + b"".join(struct.pack(">H", value) for value in VALUES)
    data = png(6, 1, 16, 0, row, chunk(b"tRNS", struct.pack(">H", 256)))
    assert decode(data, "x")[0, :, 0].tolist() == [0, 0, 0, 255, 128, 255]


def test_16_bit_rgb_png_with_a_transparent_colour():
    row = b"\0" + b"".join(struct.pack(">HHH", 0x4000, 0x8000, value) for value in VALUES)
    data = png(6, 1, 16, 2, row, chunk(b"tRNS", struct.pack(">HHH", 0x4000, 0x8000, 0x8000)))
    assert decode(data, "x")[0].tolist() == [[64, 128, v] for v in HIGH[:4]] + [[255] * 3, [64, 128, 255]]


@pytest.mark.parametrize("kind", ["TIFF", "PPM", "PNG"])
@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_16_bit_grey_files(kind, dtype):
    values = np.arange(0, 65536, 64, np.uint16).reshape(16, 64)
    if kind == "PPM" and dtype == ">u2":
        pytest.skip("Pillow cannot write it")
    data = encoded(Image.fromarray(values.astype(dtype)), kind)
    assert np.array_equal(decode(data, "x")[..., 1], values >> 8)


def test_32_bit_integers_within_16_bits_are_taken_as_such():
    values = np.array([[0, 65535, 32768]], np.int32)
    assert decode(encoded(Image.fromarray(values), "TIFF"), "x")[0, :, 0].tolist() == [0, 255, 128]


@pytest.mark.parametrize("values", [np.array([[0, 70_000]], np.int32), np.array([[-1, 5]], np.int32)])
def test_32_bit_integers_beyond_are_an_error(values):
    with pytest.raises(ImageError, match="32-bit"):
        decode(encoded(Image.fromarray(values), "TIFF"), "x")


def test_floating_point_is_an_error():
    with pytest.raises(ImageError, match="floating-point"):
        decode(encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "x")


def test_transparency_is_composited_over_white():
    image = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 128]]], np.uint8)
    # 255 * (1 - 128 / 255) = 127
    assert decode(encoded(image), "x")[0].tolist() == [[255, 0, 0], [255, 255, 255], [127, 127, 127]]


def test_grey_with_alpha():
    image = np.array([[[10, 255], [10, 0]]], np.uint8)
    assert decode(encoded(Image.fromarray(image, "LA")), "x")[0].tolist() == [[10] * 3, [255] * 3]


def test_palette_and_its_transparency():
    picture = Image.new("P", (3, 1))
    picture.putpalette([1, 2, 3, 40, 50, 60, 7, 8, 9])
    picture.putdata([0, 1, 2])
    rows = [[1, 2, 3], [40, 50, 60], [7, 8, 9]]
    assert decode(encoded(picture), "x")[0].tolist() == rows
    assert decode(encoded(picture, "GIF"), "x")[0].tolist() == rows
    rows[1] = [255] * 3
    assert decode(encoded(picture, transparency=1), "x")[0].tolist() == rows
    assert decode(encoded(picture, transparency=b"\xff\x00\xff"), "x")[0].tolist() == rows
    assert decode(encoded(picture, "GIF", transparency=1), "x")[0].tolist() == rows


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "CMYK", "1"])
def test_strips_of_large_pictures_give_the_same(monkeypatch, mode):
    picture = Image.fromarray(np.dstack([noise(), noise(seed=1)[..., :1]])).convert("RGBA")
    data = encoded(picture.convert("RGB").convert(mode) if mode in ("CMYK", "P") else picture.convert(mode), "TIFF")
    whole = decode(data, "x")
    monkeypatch.setattr("vertebra.data.decode.STRIP", 7 * 40)
    assert np.array_equal(decode(data, "x"), whole)


def test_one_bit():
    picture = Image.fromarray(np.array([[True, False, True]]))
    for kind in ("PNG", "BMP", "TIFF", "PPM"):
        assert decode(encoded(picture, kind), "x")[0].tolist() == [[255] * 3, [0] * 3, [255] * 3]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "options"), [("JPEG", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})])
def test_exif_orientation_is_applied(kind, options, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(noise(), kind, exif=exif, **options)
    expected = np.asarray(ImageOps.exif_transpose(opened(data)))
    assert expected.shape[:2] == ((40, 24) if orientation >= 5 else (24, 40))
    assert np.array_equal(decode(data, "x"), expected)


def test_exif_behind_the_pixels_of_a_png_is_applied():
    data = encoded(noise())
    exif = Image.Exif()
    exif[0x0112] = 6
    block = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    assert decode(data[:-12] + block + data[-12:], "x").shape == (40, 24, 3)


@pytest.mark.parametrize("exif", [b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", b"junk" * 20])
def test_senseless_exif_is_passed_over(exif):
    data = encoded(noise(), "JPEG")
    block = b"Exif\0\0" + exif
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
    assert decode(data, "x").shape == (24, 40, 3)


@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})])
def test_of_an_animation_the_first_frame_counts(kind, options):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert opened(data).n_frames == 3
    assert (decode(data, "x") == [255, 0, 0]).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_file_cut_anywhere_is_noticed(kind):
    data = encoded(noise(8, 8), kind)
    for end in range(len(data)):
        with pytest.raises(ImageError):
            decode(data[:end], "x")


def test_png_with_a_flipped_bit_in_its_pixels_is_noticed():
    data = bytearray(encoded(noise()))
    data[len(data) // 2] ^= 4
    with pytest.raises(ImageError, match="wrong checksum in the PNG chunk IDAT"):
        decode(bytes(data), "photos/x.png")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.jpg: is empty"),
        (b"just some text", "x.jpg: is not a picture"),
        (b"%PDF-1.4\x00\xff\xfe", "x.jpg: is damaged, or no picture of a known format"),
        (b"\xff\xd8\xff", "x.jpg: is damaged"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "x.jpg: is not a picture"),
    ],
)
def test_what_is_no_picture_is_named(data, message):
    with pytest.raises(ImageError) as caught:
        decode(data, "x.jpg")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


LIES = {
    "jpeg": jpeg_claiming(65500, 65500),
    "png": png(20_000, 20_000, 8, 2, b"\0"),
    "png of 144 megapixels": png(12_000, 12_000, 1, 0, b"\0"),
    "gif": b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\x01\0\0;",
    "bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
    "ppm": b"P6 65535 65535 255\n",
}


@pytest.mark.parametrize("name", LIES)
def test_a_bomb_is_refused_by_its_header(name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError) as caught:
        decode(LIES[name], "bomb")
    assert str(caught.value).startswith("bomb: claims ")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB: the pixels would be gigabytes


def test_the_cap_is_above_100_megapixels():
    assert 11_648 * 8_736 < MAX_PIXELS < 12_000 * 12_000
    with pytest.raises(ImageError, match=f"at most {MAX_PIXELS} px"):
        decode(LIES["jpeg"], "x")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000"])
def test_signatures(kind):
    assert has_signature(encoded(noise(), kind))
    assert not has_signature(b"text about pictures")
    assert not has_signature(b"")


def test_a_pillow_image_goes_the_same_way():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(noise(), exif=exif)
    picture = opened(data)
    assert np.array_equal(from_picture(picture), decode(data, "x"))
    assert np.array_equal(from_picture(picture), decode(data, "x"))  # not turned twice
    assert from_picture(Image.new("RGBA", (2, 2))).tolist() == [[[255] * 3] * 2] * 2
    with pytest.raises(ImageError, match="picture: "):
        from_picture(opened(encoded(noise(), "BMP")[:-50]))
    with pytest.raises(ImageError, match="picture: claims 0 x 3 px"):
        from_picture(Image.new("RGB", (0, 3)))


SEEDS = [encoded(smooth(), kind, **options) for kind, options in LOSSLESS + LOSSY]
SEEDS += [encoded(Image.fromarray(smooth()).convert("CMYK"), "JPEG"), encoded(Image.fromarray(smooth()).convert("P"))]


def only_typed_errors(data):
    try:
        image = decode(data, "x")
    except ImageError as error:
        assert str(error).startswith("x: ")
    else:
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", *(seed[:12] for seed in SEEDS)]))
def test_random_bytes_raise_only_the_typed_error(data, start):
    only_typed_errors(start + data)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(SEEDS))
def test_mutations_raise_only_the_typed_error(data, seed):
    mutated = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 6))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    only_typed_errors(bytes(mutated[: data.draw(st.integers(0, len(mutated)))]))
    only_typed_errors(bytes(mutated))
