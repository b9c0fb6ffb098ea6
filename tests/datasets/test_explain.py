import numpy as np
from PIL import ImageEnhance, ImageOps

from agebatch.datasets.chips import load_chips
from agebatch.datasets.explain import explain, in_words
from agebatch.datasets.labelled import Sample, read_dataset
from tests.datasets.faces import scene, utkface


def explained(folder):
    data = read_dataset(folder)
    return data, explain(data, load_chips(data.samples, folder, None))


def test_counts(tmp_path):
    names = ["2_0_0_1.jpg", "25_1_1_2.jpg", "25_1_1_3.jpg", "25_0_4_4.jpg", "80__2_5.jpg", "9_1_3_6.jpg"]
    utkface(tmp_path, names)
    (tmp_path / "9_1_3_6.jpg").write_bytes(b"broken")
    _, numbers = explained(tmp_path)
    assert dict((band, tuple(n)) for band, *n in numbers.bands if sum(n)) == {
        "0–2": (0, 1, 0), "3–9": (1, 0, 0), "20–29": (2, 1, 0), "70+": (0, 0, 1)
    }  # fmt: skip
    assert numbers.genders == {"female": 3, "male": 2, "not labelled": 1}
    assert numbers.ethnicities["Black"] == 2
    assert sorted(numbers.ages) == [2, 9, 25, 25, 25, 80]
    assert (numbers.ranges, numbers.ageless, numbers.copies) == (0, 0, 0)
    assert [file for file, _ in numbers.unusable] == ["9_1_3_6.jpg"]
    assert sum(numbers.splits.values()) == 5  # what can't be used is in no split
    assert not numbers.groups
    assert not numbers.suspects


def test_contradictions_worst_first(tmp_path):
    utkface(tmp_path, [f"{30 + i}_0_0_9.jpg" for i in range(6)], first=50)
    one, two, three = scene(1), scene(2), scene(3)
    one.save(tmp_path / "20_0_0_1.jpg")
    ImageOps.mirror(one).save(tmp_path / "23_0_0_1.jpg")
    two.save(tmp_path / "40_1_0_2.jpg")
    ImageEnhance.Brightness(two).enhance(1.3).save(tmp_path / "41_1_0_2.jpg")
    two.convert("L").save(tmp_path / "75_0_0_2.jpg")
    three.save(tmp_path / "50_1_0_3.jpg")
    three.save(tmp_path / "50_1_0_4.jpg")
    data, numbers = explained(tmp_path)
    told = [([data.samples[i].file for i in g.members], g.years, g.genders_differ) for g in numbers.sure]
    assert told == [
        (["40_1_0_2.jpg", "41_1_0_2.jpg", "75_0_0_2.jpg"], 35, True),
        (["20_0_0_1.jpg", "23_0_0_1.jpg"], 3, False),
        (["50_1_0_3.jpg", "50_1_0_4.jpg"], 0, False),
    ]
    assert len(numbers.disagreeing) == 2
    assert numbers.copies == 1
    # Two of three agree: only the third is suspected.
    assert [(data.samples[s.index].file, s.reason) for s in numbers.suspects] == [
        ("75_0_0_2.jpg", "its copies say age 40 and 41; its copies say female")
    ]


def test_of_two_either_may_be_right(tmp_path):
    scene(1).save(tmp_path / "5_0_0_1.jpg")
    scene(1).save(tmp_path / "53_0_0_1.jpg")
    data, numbers = explained(tmp_path)
    reasons = {data.samples[s.index].file: s.reason for s in numbers.suspects}
    assert reasons == {"5_0_0_1.jpg": "its copy says age 53", "53_0_0_1.jpg": "its copy says age 5"}


def test_ranges_that_meet_do_not_contradict(tmp_path):
    for name in ("a.png", "b.png"):
        scene(1).save(tmp_path / name)
    (tmp_path / "labels.csv").write_text("file,age\na.png,20-29\nb.png,29\n")
    _, numbers = explained(tmp_path)
    assert [group.years for group in numbers.sure] == [0]
    assert numbers.ranges == 1
    np.testing.assert_array_equal(numbers.ages, [29])


def test_words():
    assert in_words(Sample("a", 3, 3, "male", "Asian")) == "3, male, Asian"
    assert in_words(Sample("a", None, None, "male")) == "male"
