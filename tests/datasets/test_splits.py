from collections import Counter

from agebatch.datasets.splits import TEST_SHARE, VALIDATION_SHARE, split_all, split_of


def test_shares():
    counts = Counter(split_of(str(i)) for i in range(20_000))
    assert abs(counts["test"] / 20_000 - TEST_SHARE) < 0.01
    assert abs(counts["validation"] / 20_000 - VALIDATION_SHARE) < 0.01


def test_the_same_on_every_machine_and_in_every_version():
    # Changing these would move faces from training to test for everybody who has a model already.
    elsewhere = {i: split for i in range(30) if (split := split_of(f"{i:064x}")) != "train"}
    assert elsewhere == dict.fromkeys((4, 9, 10, 11, 28), "validation") | dict.fromkeys((20, 25), "test")


def test_a_group_stays_together_and_others_are_not_touched():
    prints = [f"{i:064x}" for i in range(300)]
    alone = split_all(prints, [])
    together = split_all(prints, [[0, 100, 200], [5, 6]])
    assert together[0] == together[100] == together[200] == alone[0]
    assert together[5] == together[6] == alone[5]
    rest = set(range(300)) - {0, 5, 6, 100, 200}
    assert all(together[i] == alone[i] for i in rest)


def test_order_of_files_does_not_matter():
    prints = [f"{i:064x}" for i in range(50)]
    there = dict(zip(prints, split_all(prints, [[3, 30]]), strict=True))
    back = dict(zip(prints[::-1], split_all(prints[::-1], [[19, 46]]), strict=True))
    assert there == back
