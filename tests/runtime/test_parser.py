"""Messages of the parser become one sentence with the nearest valid name."""

import pytest

from runtime.parser import explain

CHAIN = """Parser key "model":
  Does not validate against any of the Union subtypes
  Errors:
    - Problem with given class_path 'lightning_modules.base.CosineSchedule':
        {leaf}
    - Expected a <class 'NoneType'>
  Given value type: <class 'dict'>
  Given value: {{}}"""


def test_mistyped_option_names_the_nearest_of_its_class() -> None:
    told = str(explain(CHAIN.format(leaf="Option 'warmpu' is not accepted")))
    assert told == (
        "model.init_args: lightning_modules.base.CosineSchedule has no option 'warmpu'; did you mean 'warmup'?"
    )


def test_mistyped_init_args_is_found() -> None:
    assert "did you mean 'init_args'?" in str(explain(CHAIN.format(leaf="Option 'init_arg.lr' is not accepted")))


def test_hopeless_option_lists_what_there_is() -> None:
    assert "it takes warmup, final" in str(explain(CHAIN.format(leaf="Option 'zzz' is not accepted")))


def test_mistyped_class_names_the_nearest_of_its_module() -> None:
    leaf = "module 'lightning_modules.base' has no attribute 'CosineShedule'"
    assert "did you mean lightning_modules.base.CosineSchedule?" in str(explain(CHAIN.format(leaf=leaf)))


def test_wrong_type_names_the_key_and_the_type() -> None:
    leaf = "Parser key \"warmup\":\n          Expected a <class 'float'>. Got value: abc"
    told = str(explain(CHAIN.format(leaf=leaf)))
    assert told == "model.init_args.warmup: value 'abc' does not fit; give float"


@pytest.mark.parametrize("name", ["trainer.max_epochs"])
def test_wrong_plain_value_names_the_alternatives(name: str) -> None:
    message = f"""Parser key "{name}":
  Does not validate against any of the Union subtypes
  Errors:
    - Expected a <class 'int'>
    - Expected a <class 'NoneType'>
  Given value type: <class 'str'>
  Given value: x"""
    assert str(explain(message)) == "trainer.max_epochs: value 'x' does not fit; give int or null"


def test_unrecognized_argument_names_the_nearest() -> None:
    assert "did you mean 'seed_everything'?" in str(explain("unrecognized arguments: --sed_everything 3"))
