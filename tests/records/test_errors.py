"""User errors are one sentence, also after a journey between processes."""

import pickle

import pytest

from records.errors import CheckFailed, UserError


@pytest.mark.parametrize("kind", [UserError, CheckFailed])
def test_a_user_error_survives_pickling(kind: type[UserError]) -> None:
    error = kind("no such file", where="labels.csv", mend="mend the path")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and str(again) == str(error) == "labels.csv: no such file; mend the path"
    assert (again.what, again.where, again.mend) == ("no such file", "labels.csv", "mend the path")


def test_parts_that_are_not_given_leave_no_trace() -> None:
    assert str(UserError("wrong")) == "wrong"
    assert str(UserError("wrong", mend="mend it")) == "wrong; mend it"
    assert (UserError("x").exit_code, CheckFailed("x").exit_code) == (2, 1)
