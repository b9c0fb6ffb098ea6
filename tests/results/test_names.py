import os
import random

from agebatch.results.names import decode_path, encode_path, one_line, path_key

from .conftest import NAMES_ON_DISK


def test_every_name_comes_back_and_is_utf8():
    for name in NAMES_ON_DISK:
        text = encode_path(name)
        assert text.encode("utf-8").decode() == text
        assert decode_path(text) == name


def test_random_bytes_come_back():
    chance = random.Random(5)
    letters = [b"\\", b"x", b"5", b"c", b"e", b"9", b"F", b"\xe9", b"\xc3\xa9", b"\xc3", b"a", b"\n"]
    texts = set()
    names = {b"".join(chance.choices(letters, k=chance.randint(1, 9))) for _ in range(5000)}
    for name in names:
        text = encode_path(os.fsdecode(name))
        text.encode("utf-8")
        assert os.fsencode(decode_path(text)) == name
        texts.add(text)
    assert len(texts) == len(names)


def test_order_is_that_of_the_bytes_on_disk():
    names = sorted(NAMES_ON_DISK, key=path_key)
    assert [os.fsencode(name) for name in names] == sorted(os.fsencode(name) for name in names)


def test_one_line_is_stable():
    text = one_line("a\x1b[31m\r\n\u202e\udcff")
    assert text.isprintable()
    assert one_line(text) == text
