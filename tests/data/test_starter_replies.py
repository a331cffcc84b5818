from burnish.data.starter_replies import replies

PARTS = ("train", "validation", "test")


def test_no_question_stands_on_two_sides_and_each_has_its_reply() -> None:
    asked = {part: set(replies(part)["question"]) for part in PARTS}

    assert [len(asked[part]) for part in PARTS] == [240, 60, 60]
    assert not asked["train"] & (asked["validation"] | asked["test"])
    assert not asked["validation"] & asked["test"]


def test_what_a_question_names_comes_back_in_its_reply() -> None:
    rows = replies("train").filter(question="Please cancel order 1042.")

    assert rows["reply"].to_list() == [
        "Order 1042 is cancelled. You will have your money back within five days."
    ]


def test_the_same_rows_come_out_every_time() -> None:
    assert replies("test").equals(replies("test"))


def test_two_rows_of_a_customer_stay_in_one_part() -> None:
    assert replies("train")["customer"].n_unique() == 120
    assert not set(replies("train")["customer"]) & set(replies("test")["customer"])
