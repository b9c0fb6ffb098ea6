import pytest

from agebatch.datasets.labelled import Sample, parse_age, parse_dataset, parse_name, read_dataset
from agebatch.errors import ExitCode, InputError, UsageError


@pytest.mark.parametrize(
    ("name", "age", "gender", "ethnicity", "reason"),
    [
        ("26_0_4_20170116174525125.jpg.chip.jpg", 26, "male", "Other", ""),
        ("part2/7_1_3_20170116174525125.JPG", 7, "female", "Indian", ""),
        ("116_1_0_20170116174525125.png", 116, "female", "White", ""),
        # as in the original data set
        ("39_1_20170116174525125.jpg.chip.jpg", 39, "female", None, "the race is missing"),
        ("24_0_1_20170116220224657 .jpg.chip.jpg", 24, "male", "Black", "the name does not end in a date"),
        ("55_0_0_20170116232725357jpg.chip.jpg", 55, "male", "White", "the name does not end in a date"),
        ("53__0_20170116184028385.jpg", 53, None, "White", "the gender is missing"),
        ("61_3_20170109150557335.jpg", 61, None, None, "gender '3' is not 0"),
        ("25_1_9_20170116174525125.jpg", 25, "female", None, "race '9' is not 0 to 4"),
        ("25_1_2.jpg", 25, "female", "Asian", "the name does not end in a date"),
    ],
)
def test_names(name, age, gender, ethnicity, reason):
    sample, why = parse_name(name)
    assert sample == Sample(name, age, age, gender, ethnicity)
    assert why.startswith(reason)
    assert bool(why) == bool(reason)


@pytest.mark.parametrize(
    "name", ["IMG_0001.jpg", "holiday.jpg", "_1_0_2017.jpg", "20170112_120000.jpg", "²_1_0_1.jpg"]
)
def test_other_names_are_no_labels(name):
    assert parse_name(name) == (None, "the name is not AGE_GENDER_RACE_DATE")


def test_an_impossible_age_costs_the_file():
    assert parse_name("117_1_0_20170116174525125.jpg") == (None, "age 117 is outside 0..116")


@pytest.mark.parametrize(
    ("text", "ages"),
    [
        ("31", (31, 31)), ("0", (0, 0)), (" 4.5 ", (4.5, 4.5)), ("20-29", (20, 29)), ("20 – 29", (20, 29)),
        ("(25, 32)", (25, 32)), ("70+", (70, 116)), ("more than 70", (70, 116)), ("", None), ("NaN", None),
    ],
)  # fmt: skip
def test_ages(text, ages):
    assert parse_age(text) == ages


@pytest.mark.parametrize("text", ["old", "-3", "130", "29-20", "inf", "1e3", "100-140"])
def test_what_is_no_age(text):
    with pytest.raises(ValueError, match="age"):
        parse_age(text)


def table(folder, text, files=("a.jpg", "b.jpg", "c.jpg", "d.jpg")):
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"not opened")
    (folder / "labels.csv").write_bytes(text.encode())
    return read_dataset(folder)


def test_a_table_with_words(tmp_path):
    data = table(tmp_path, "file,age,gender,race\nb.jpg,20-29,Male,East Asian\na.jpg,31,f,\nc.jpg,,woman,\n")
    assert data.layout == "table"
    assert data.samples == [
        Sample("a.jpg", 31, 31, "female"),
        Sample("b.jpg", 20, 29, "male", "East Asian"),
        Sample("c.jpg", None, None, "female"),
    ]
    assert not data.rejects
    assert data.unlabelled == 1


def test_a_table_with_numbers_means_what_utkface_means(tmp_path):
    data = table(tmp_path, "file,age,gender,ethnicity\na.jpg,31,0,2\nb.jpg,31,1,0\n")
    assert [(s.gender, s.ethnicity) for s in data.samples] == [("male", "Asian"), ("female", "White")]


def test_a_table_from_a_spreadsheet(tmp_path):
    data = table(tmp_path, "\ufeffFile;Age;Gender\r\n.\\sub\\e.jpg;31;M\r\n", ["sub/e.jpg"])
    assert data.samples == [Sample("sub/e.jpg", 31, 31, "male")]


def test_a_bad_label_costs_only_itself(tmp_path):
    rows = [
        "a.jpg,old,F",
        "b.jpg,40,x",
        "c.jpg,,",
        "gone.jpg,3,F",
        "../a.jpg,3,F",
        ",3,F",
        "d.jpg,3,F",
        "d.jpg,9,M",
    ]
    data = table(tmp_path, "file,age,gender\n" + "\n".join(rows) + "\nshort\n")
    assert [s.file for s in data.samples] == ["a.jpg", "b.jpg", "d.jpg"]
    told = {r.file: (r.reason, r.recovered) for r in data.rejects}
    assert told == {
        "a.jpg": ("age 'old' is not a number, a range (20-29) or open (70+)", "female"),
        "b.jpg": ("gender 'x' is neither female nor male", "age 40"),
        "c.jpg": ("neither an age nor a gender", ""),
        "gone.jpg": ("there is no such file", ""),
        "../a.jpg": ("the file is outside the data set's folder", ""),
        "": ("a row of labels.csv names no file", ""),
        "d.jpg": ("named twice in labels.csv", "the first row"),
        "short": ("there is no such file", ""),
    }


@pytest.mark.parametrize("text", ["", "name,age\na.jpg,3\n", "file,years\na.jpg,3\n", "file,age\n\0\xe9\x00"])
def test_a_table_that_is_none(tmp_path, text):
    with pytest.raises(InputError) as error:
        table(tmp_path, text)
    assert error.value.hint


def test_a_table_in_another_encoding(tmp_path):
    (tmp_path / "labels.csv").write_bytes("file,age\né.jpg,3\n".encode("latin-1"))
    with pytest.raises(InputError, match="can't be read as a table"):
        read_dataset(tmp_path)


def test_files_at_any_depth_in_one_order(tmp_path):
    for name in (
        "part2/3_0_0_2.jpg",
        "part1/9_1_0_1.jpg",
        "1_1_1_3.jpg",
        ".trash/1_1_1_4.jpg",
        "notes_1_2.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = [s.file for s in read_dataset(tmp_path).samples]
    assert files == ["1_1_1_3.jpg", "part1/9_1_0_1.jpg", "part2/3_0_0_2.jpg"]


def test_missing_empty_and_unlabelled_folders(tmp_path):
    with pytest.raises(InputError, match="no such folder") as error:
        read_dataset(tmp_path / "gone")
    assert error.value.exit_code == ExitCode.INPUT
    with pytest.raises(InputError, match="no picture in it"):
        read_dataset(tmp_path)
    (tmp_path / "me.jpg").touch()
    with pytest.raises(InputError, match=r"none of its 1 pictures is labelled; me\.jpg: the name is not"):
        read_dataset(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        read_dataset(tmp_path / "me.jpg")


def test_a_framing_behind_the_folder(tmp_path):
    folder = str(tmp_path)
    assert parse_dataset(folder) == (tmp_path, "utkface")
    assert parse_dataset(folder + ":fairface") == (tmp_path, "fairface")
    with pytest.raises(UsageError, match="no framing is called 'fairfaces'"):
        parse_dataset(folder + ":fairfaces")
    (tmp_path / "odd:fairface").mkdir()
    assert parse_dataset(folder + "/odd:fairface")[1] == "utkface"
