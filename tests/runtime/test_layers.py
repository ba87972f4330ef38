"""Config layers, run names, and the checks that need no torch."""

from pathlib import Path

import pytest
import yaml

from records.errors import UserError
from runtime.entry import cheap_checks, main, short_help
from runtime.layers import expand, layers, named_files, run_name


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "trainer/cpu.yaml": "trainer: {accelerator: cpu}\n",
        "exp/student.yaml": "base: [../trainer/cpu.yaml]\ntrainer: {max_epochs: 3}\n",
        "ablation/long.yaml": "base: ../exp/student.yaml\ntrainer: {max_epochs: 9}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_base_files_come_first(tree: Path) -> None:
    assert names(layers(tree / "ablation/long.yaml")) == ["cpu.yaml", "student.yaml", "long.yaml"]


def test_a_file_named_twice_is_one_layer(tree: Path) -> None:
    student = str(tree / "exp/student.yaml")
    words = expand(["fit", "--config", student, f"--config={tree / 'ablation/long.yaml'}", "--run.variant", "x"])
    assert [Path(word).name for word in words[2::2]][:3] == ["cpu.yaml", "student.yaml", "long.yaml"]
    assert words.count(str(Path(student).resolve())) == 1
    assert words[-2:] == ["--run.variant", "x"]


def test_a_circle_is_told_by_name(tree: Path) -> None:
    (tree / "trainer/cpu.yaml").write_text("base: ../exp/student.yaml\n")
    with pytest.raises(UserError, match=r"student\.yaml -> cpu\.yaml -> student\.yaml"):
        layers(tree / "exp/student.yaml")


def test_run_name_is_experiment_and_ablation(tree: Path) -> None:
    assert run_name([tree / "ablation/long.yaml"]) == ("student", "long")
    assert run_name([tree / "exp/student.yaml"]) == ("student", "base")
    assert run_name([tree / "trainer/cpu.yaml"]) == ("cpu", "base")
    assert run_name([]) == (None, "base")


@pytest.mark.parametrize(
    ("text", "told"),
    [("trainer: [", "not valid YAML"), ("- a\n- b\n", "holds a list"), ("trainr: {}\n", "'trainer'")],
)
def test_wrong_files_are_told_without_torch(tree: Path, text: str, told: str) -> None:
    (tree / "exp/student.yaml").write_text(text)
    with pytest.raises(UserError, match=told):
        cheap_checks(["fit", "--config", str(tree / "exp/student.yaml")])


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["--trainer.max_epoch", "3"], "trainer.max_epochs"),
        (["--trainr.max_epochs=3"], "'trainer'"),
        (["--sed_everything", "3"], "'seed_everything'"),
        (["--dryrun"], "'dry_run'"),
    ],
)
def test_mistyped_flags_name_the_nearest(words: list[str], near: str) -> None:
    with pytest.raises(UserError, match=near):
        cheap_checks(["fit", *words])


def test_missing_file_and_unknown_command_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--config", "no/such.yaml"]) == 2
    assert main(["fitt"]) == 2
    told = capsys.readouterr().err
    assert "no such config file" in told
    assert "did you mean 'fit'?" in told


def test_config_needs_a_file_name() -> None:
    with pytest.raises(UserError, match="no file name"):
        named_files(["fit", "--config"])


def test_help_lists_commands_and_runnable_configs() -> None:
    text = short_help()
    assert "configs/exp/kvq/sharpmind_student.yaml" in text
    assert all(command in text for command in ("fit", "validate", "test", "predict"))


PARTS = """
data:
  init_args:
    views:
      frames: {class_path: a.Frames, init_args: {size: 8, sampler: {class_path: a.Uniform, init_args: {count: 2}}}}
      motion: {class_path: a.Motion, init_args: {length: 4}}
"""


def passed(tmp_path: Path, change: str) -> dict:
    """Views of the last layer as the parser gets them."""
    (tmp_path / "low.yaml").write_text(PARTS)
    (tmp_path / "high.yaml").write_text(f"base: low.yaml\ndata: {{init_args: {{views: {change}}}}}\n")
    last = expand(["--config", str(tmp_path / "high.yaml")])[-1]
    return yaml.safe_load(last)["data"]["init_args"]["views"]


def test_a_layer_that_changes_one_view_keeps_the_others(tmp_path: Path) -> None:
    low = yaml.safe_load(PARTS)["data"]["init_args"]["views"]
    views = passed(tmp_path, "{frames: {init_args: {size: 16}}}")
    assert views == {"frames": {"init_args": {"size": 16}}, "motion": low["motion"]}


def test_a_view_set_to_null_is_left_out_and_a_new_one_joins(tmp_path: Path) -> None:
    views = passed(tmp_path, "{motion: null, crops: {class_path: a.Crops}}")
    assert set(views) == {"frames", "crops"}


def test_a_view_left_out_stays_out_in_the_layers_above(tmp_path: Path) -> None:
    passed(tmp_path, "{motion: null}")
    (tmp_path / "top.yaml").write_text("base: high.yaml\ndata: {init_args: {views: {new: {class_path: a.New}}}}\n")
    last = yaml.safe_load(expand(["--config", str(tmp_path / "top.yaml")])[-1])
    assert set(last["data"]["init_args"]["views"]) == {"frames", "new"}


def test_parts_of_three_layers_add_up_and_an_exchanged_class_leaves_nothing_behind(tmp_path: Path) -> None:
    passed(tmp_path, "{motion: {class_path: a.Other, init_args: {span: 1}}}")
    (tmp_path / "top.yaml").write_text(
        "base: high.yaml\ndata: {init_args: {views: {frames: {init_args: {size: 4}}}}}\n"
    )
    last = yaml.safe_load(expand(["--config", str(tmp_path / "top.yaml")])[-1])
    assert last["data"]["init_args"]["views"]["motion"] == {"class_path": "a.Other", "init_args": {"span": 1}}


def test_a_layer_without_named_parts_is_passed_as_the_file_it_is(tree: Path) -> None:
    words = expand(["--config", str(tree / "ablation/long.yaml")])
    assert [Path(word).name for word in words[1::2]] == ["cpu.yaml", "student.yaml", "long.yaml"]


def test_parts_stay_known_where_the_class_that_holds_them_is_exchanged(tmp_path: Path) -> None:
    terms = "{loss: {init_args: {terms: {plcc: {weight: 1}, mse: {weight: 2}}}}}"
    (tmp_path / "low.yaml").write_text(f"model: {{class_path: a.Student, init_args: {terms}}}\n")
    (tmp_path / "high.yaml").write_text("base: low.yaml\nmodel: {class_path: a.Teacher}\n")
    (tmp_path / "top.yaml").write_text(
        "base: high.yaml\nmodel: {init_args: {loss: {init_args: {terms: {plcc: null, srcc: {weight: 3}}}}}}\n"
    )
    last = yaml.safe_load(expand(["--config", str(tmp_path / "top.yaml")])[-1])
    assert last["model"]["init_args"]["loss"]["init_args"]["terms"] == {"mse": {"weight": 2}, "srcc": {"weight": 3}}


def test_arguments_with_a_place_to_fill_outlast_an_exchange_of_the_class(tmp_path: Path) -> None:
    student, teacher = "lightning_modules.vqa_student.VQAStudent", "lightning_modules.vqa_teacher.VQATeacher"
    head = "head: {class_path: models.vqa.heads.MLPHead}"
    branch = "branches: {experts: {init_args: {experts: '${data.rows}'}}}"
    (tmp_path / "low.yaml").write_text(
        f"model: {{class_path: {student}, init_args: {{network: {{init_args: {{{head}}}}}, pool_weight: 2}}}}\n"
    )
    (tmp_path / "high.yaml").write_text(
        f"base: low.yaml\nmodel: {{class_path: {teacher}, init_args: {{network: {{init_args: {{{branch}}}}}}}}}\n"
    )
    (tmp_path / "top.yaml").write_text(
        f"base: high.yaml\nmodel: {{class_path: {student}, init_args: {{head_lr: 3.0}}}}\n"
    )
    last = yaml.safe_load(expand(["--config", str(tmp_path / "top.yaml")])[-1])["model"]
    assert last["class_path"] == student and last["init_args"]["head_lr"] == 3.0
    network = last["init_args"]["network"]["init_args"]
    assert network == {**yaml.safe_load(f"{{{head}}}"), **yaml.safe_load(f"{{{branch}}}")}
    # What the class in between does not take stays behind as the parser would leave it.
    (tmp_path / "other.yaml").write_text("base: high.yaml\nmodel: {class_path: elsewhere.Model}\n")
    last = yaml.safe_load(Path(expand(["--config", str(tmp_path / "other.yaml")])[-1]).read_text())["model"]
    assert last == {"class_path": "elsewhere.Model"}
