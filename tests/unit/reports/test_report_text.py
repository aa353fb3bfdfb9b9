"""The text that a person reads: it fits, it adds up, it hides nothing, it sends nothing."""

import re
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import (
    finding,
    imported,
    manifest,
    network,
    optimizer,
    report,
    state_dict,
    tensor,
)

from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Severity, Where
from ckptscope.facts.report import Failure, FileReport, InspectReport, Skipped
from ckptscope.facts.tensors import (
    ArrayInfo,
    Manifest,
    Origin,
    ParameterGroup,
    Role,
    Scalar,
    Spending,
    TreeNode,
)
from ckptscope.reports.escaping import cell_width
from ckptscope.reports.text import render_text
from ckptscope.reports.wanted import Wanted

anything = st.text(st.characters(), max_size=120)


def text(*manifests: Manifest, width: int = 80, **options: object) -> str:
    wanted = Wanted(**options)  # type: ignore[arg-type]
    return render_text(report(*manifests), width=width, color=False, wanted=wanted)


def section(shown: str, title: str) -> list[str]:
    """The lines below a heading, up to the next."""
    lines = iter(shown.splitlines())
    assert any(line.startswith(title) for line in lines), shown
    return list(_up_to_heading(lines))


def _up_to_heading(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line and not line.startswith(" "):
            return
        yield line


def number(cell: str) -> int:
    return int(cell.replace(",", ""))


def poisoned(evil: str) -> Manifest:
    """A manifest whose every text is the same."""
    return manifest(
        location=(evil, evil),
        format_facts=((evil[:10], evil[:10]),),
        state_dicts=(
            state_dict(
                *(tensor(f"{evil}.{index}.{evil}", 2, device=evil) for index in range(3)),
                tensor(evil, 2, 3, stride=(1, 2), storage=evil, alias_of=evil, layout="nested"),
                path=evil,
                prefix=evil,
                class_name=evil,
            ),
            state_dict(
                *(tensor(f"{evil}{index}.{evil}", 2) for index in range(30)),
                path=evil + "2",
                role=Role.EMA,
                role_evidence=f"assumed from the word in {evil!r}",
            ),
        ),
        optimizers=(
            msgspec.structs.replace(
                optimizer(),
                path=evil,
                kind_evidence=evil,
                groups=(
                    ParameterGroup(parameters=1, settings=((evil, evil), ("lr", evil))),
                    ParameterGroup(parameters=1, settings=(("lr", "1"),)),
                ),
            ),
        ),
        arrays=(
            ArrayInfo(path=evil, shape=(3,), dtype=evil, fortran_order=False, size_bytes=None),
        ),
        scalars=(Scalar(path=f"{evil}/epoch", value=3), Scalar(path="epoch", value=10**18)),
        tree=TreeNode(
            name=evil,
            kind="dict",
            class_name=evil,
            length=2,
            children=(
                TreeNode(name=evil, kind="value", value=repr(evil)),
                TreeNode(name=evil, kind="instance", class_name=evil, value=evil),
            ),
        ),
        spending=(
            Spending(what="network", path=evil, size_bytes=1_999_999, share=1.0),
            Spending(what="ema", path=evil + "2", size_bytes=1, share=0.0),
        ),
        imports=(imported(evil, evil, 5), imported("os", "system", 7)),
        unclaimed_members=(evil,) * 20,
        metadata=((evil, evil),) * 30,
        findings=(
            finding(
                message=f"a message about {evil!r} and {evil}",
                where=Where(member=evil, key=evil, offset_bytes=1),
                evidence=(evil,) * 10,
            ),
        ),
    )


@pytest.mark.parametrize("tensors", [False, True])
@given(evil=anything, width=st.sampled_from([40, 80, 120]))
def test_no_line_is_too_long_or_unprintable_whatever_the_names(
    evil: str, width: int, tensors: bool
) -> None:
    made = InspectReport(
        files=(
            FileReport(path=evil, manifest=poisoned(evil)),
            FileReport(path=evil, failure=Failure(kind="x", message=f"{evil!r}; {evil}")),
        ),
        skipped=(Skipped(path=evil, reason=evil),) * 9,
    )
    shown = render_text(made, width=width, color=False, wanted=Wanted(tensors=tensors))
    for line in shown.splitlines():
        assert line.isprintable()
        assert cell_width(line) <= width
        assert line == line.rstrip()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("key", ["x" * 5000, "a." * 40 + "weight", "\u91cd" * 300, "\x1b]0;x\x07"])
def test_long_and_wide_and_hostile_keys_fit(width: int, key: str) -> None:
    for line in text(poisoned(key), width=width, tensors=True).splitlines():
        assert cell_width(line) <= width


def test_a_long_name_in_a_sentence_loses_its_middle_and_takes_one_line() -> None:
    lines = text(manifest(location=("a/" * 100 + "last.pth",))).splitlines()
    inside = [index for index, line in enumerate(lines) if line.startswith("  inside ")]
    assert re.fullmatch(r"  inside     a/a/[a/]*…[a/]*/last.pth", lines[inside[0]])
    assert lines[inside[0] + 1].startswith("  format ")


def test_colours_change_nothing_but_colours() -> None:
    made = report(manifest(findings=(finding(),)))
    plain = render_text(made, width=80, color=False)
    painted = render_text(made, width=80, color=True)
    assert "\x1b" not in plain
    assert "\x1b[1m" in painted
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == plain


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = text(manifest())
    for name in ("FORCE_COLOR", "TTY_INTERACTIVE", "COLUMNS", "JUPYTER_COLUMNS"):
        monkeypatch.setenv(name, "33")
    assert text(manifest()) == expected


@pytest.mark.parametrize("key", ["[bold]x[/bold]", "[link=https://a.b]x[/]", ":smile:", "[/]"])
def test_markup_in_a_name_is_only_text(key: str) -> None:
    made = manifest(
        state_dicts=(state_dict(tensor(key, 2), path=key),), location=(key,), metadata=((key, key),)
    )
    shown = text(made)
    assert f"state_dict {key}\n" in shown
    assert shown.count(key) >= 5


def test_the_count_says_parameters_buffers_and_their_sum_exactly_and_rounded() -> None:
    made = state_dict(
        tensor("a.weight", 7_438_976), tensor("a.running_mean", 9_978), path="network"
    )
    assert (
        "\n  7,438,976 parameters (7.44 M) + 9,978 buffers = 7,448,954 elements (7.45 M)\n"
    ) in text(manifest(state_dicts=(made,)))


@pytest.mark.parametrize("origin", [Origin.OBSERVED, Origin.DERIVED, Origin.ASSUMED])
def test_the_split_into_parameters_and_buffers_names_its_origin(origin: Origin) -> None:
    made = msgspec.structs.replace(network(), kind_origin=origin, kind_evidence="because of x")
    assert f"split      {origin.value}: because of x" in text(manifest(state_dicts=(made,)))


def test_the_module_table_adds_up_to_its_total() -> None:
    lines = section(text(manifest(), width=120), "state_dict network")
    table = lines[lines.index("") + 1 :]
    rows = [re.findall(r"  ([\d,]+)(?=  |$)", line) for line in table[1:-2]]
    *modules, _ = table[1:-1]
    assert len(rows) == len(modules)
    made = network()
    total = table[-2].split()
    assert total == [
        "total", f"{len(made.tensors)}", f"{made.parameters:,}", f"{made.buffers:,}", "100.0", "%"
    ]  # fmt: skip
    columns = {
        title: table[0].index(title) + len(title) for title in ("tensors", "parameters", "buffers")
    }
    for title, expected in zip(columns, total[1:4], strict=True):
        end = columns[title]
        found = [line[:end].split("  ")[-1].strip() for line in modules]
        assert sum(number(cell) for cell in found if cell) == number(expected), title


def test_rows_that_found_no_room_are_counted_and_still_add_up() -> None:
    made = state_dict(*(tensor(f"m{index}.w", index + 1) for index in range(300)))
    lines = section(text(manifest(state_dicts=(made,)), width=120), "state_dict network")
    rows = [line.split() for line in lines if re.match(r"  m\d+ ", line)]
    rest = next(line for line in lines if " more, smaller " in line).split()
    assert len(rows) + int(rest[0]) == 300
    shown = sum(number(row[2]) for row in rows) + number(rest[4])
    assert shown == made.parameters


def test_what_the_bytes_are_spent_on_adds_up_to_the_size() -> None:
    rows = [line.split() for line in section(text(manifest()), "bytes")[1:] if line]
    *parts, total = rows
    assert [row[0] for row in parts] == ["network", "optimizer", "pickle", "container"]
    assert sum(number(row[1]) for row in parts) == number(total[1]) == 2_000_000
    assert total[2:] == ["1.91", "100.0", "%"]


def test_many_groups_of_bytes_are_counted_and_still_add_up() -> None:
    spending = tuple(
        Spending(what="network", path=str(index), size_bytes=index, share=index / 4950)
        for index in range(100)
    )
    lines = section(text(manifest(spending=spending, size_bytes=4950)), "bytes")
    assert any(re.match(r"  84 more groups +3,486 ", line) for line in lines), lines
    shown = [number(line.split()[2]) for line in lines if line.startswith("  network")]
    assert sum(shown) + 3486 == 4950


def test_a_safetensors_header_is_not_called_a_pickle() -> None:
    lines = section(text(manifest(containers=(ContainerKind.SAFETENSORS,))), "bytes")
    assert any(line.startswith("  header") for line in lines)
    assert not any(line.startswith("  pickle") for line in lines)


def test_sections_come_in_the_order_of_the_questions() -> None:
    made = manifest(
        arrays=(
            ArrayInfo(path="mean", shape=(3,), dtype="f8", fortran_order=False, size_bytes=24),
        ),
        unclaimed_members=("extra.txt",),
        metadata=(("format", "pt"),),
        findings=(finding(),),
    )
    headings = [line for line in text(made, tensors=True).splitlines() if line[:1].strip()]
    assert [re.split("[:,]| that", line)[0] for line in headings] == [
        "weights/snapshot_67.pth.tar",
        "contents",
        "architecture",
        "state_dict network",
        "training record",
        "bytes",
        "numpy arrays",
        "imports",
        "1 unclaimed member",
        "metadata",
        "findings",
        "85 tensors of network",
    ]


def test_sections_without_content_are_left_out() -> None:
    made = manifest(
        state_dicts=(), optimizers=(), scalars=(), spending=(), imports=(), size_bytes=0
    )
    headings = [line for line in text(made).splitlines() if line[:1].strip()]
    assert headings == ["weights/snapshot_67.pth.tar", "contents: dict of 4 entries"]


def test_the_byte_order_is_named_only_where_it_is_big() -> None:
    assert "endian" not in text(manifest())
    assert "big-endian" in text(manifest(byteorder="big"))


def test_small_objects_stand_on_one_line_and_large_ones_are_cut_and_counted() -> None:
    many = tuple(TreeNode(name=f"k{i}", kind="value", value="1") for i in range(30))
    node = TreeNode(name="many", kind="dict", length=230, children=many, left_out=200)
    root = manifest().tree
    tree = msgspec.structs.replace(root, children=(*root.children, node))
    lines = section(text(manifest(tree=tree)), "contents")
    assert "  args       argparse.Namespace(lr=0.001, name='S')" in lines
    shown = [line for line in lines if re.match(r"    k\d+ ", line)]
    assert any(re.fullmatch(rf"    … +{230 - len(shown)} more entries", line) for line in lines)


def test_entries_that_found_no_room_in_a_long_outline_are_counted() -> None:
    inner = tuple(TreeNode(name=f"k{i}", kind="value", value="1") for i in range(10))
    outer = tuple(TreeNode(name=f"d{i}", kind="dict", length=10, children=inner) for i in range(10))
    root = TreeNode(name="", kind="dict", length=10, children=outer)
    lines = section(text(manifest(tree=root, state_dicts=())), "contents")
    left = sum(int(line.split()[1]) for line in lines if line.split()[:1] == ["…"])
    shown = sum(1 for line in lines if re.match(r"    k\d", line))
    hidden = sum(1 for i in range(10) if not any(line.startswith(f"  d{i} ") for line in lines))
    assert hidden
    assert shown + left == 10 * (10 - hidden) + hidden


def test_layers_are_listed_without_the_attributes_that_stand_in_their_settings() -> None:
    layer = TreeNode(
        name="conv",
        kind="module",
        class_name="torch.nn.Conv2d",
        value="kernel_size=(3, 3)",
        children=(TreeNode(name="padding", kind="tuple", value="(0, 0)"),),
    )
    relu = TreeNode(name="act", kind="module", class_name="torch.nn.ReLU", value="inplace=False")
    net = TreeNode(name="", kind="module", class_name="Net", children=(layer, relu))
    made = manifest(tree=net, state_dicts=())
    assert section(text(made), "contents: Net")[:2] == [
        "  conv  torch.nn.Conv2d(kernel_size=(3, 3))",
        "  act   torch.nn.ReLU(inplace=False)",
    ]
    assert "padding" in text(made, tree_depth=5)


def test_the_depth_of_the_contents_can_be_asked_for() -> None:
    node = TreeNode(name="leaf", kind="value", value="'deepest'")
    for level in range(6):
        node = TreeNode(
            name=f"level{level}",
            kind="dict",
            length=2,
            children=(node, TreeNode(name="x", kind="list")),
        )
    made = manifest(tree=node)
    assert "deepest" not in text(made)
    assert "deepest" in text(made, tree_depth=9)
    assert "level4" not in text(made, tree_depth=0)


def test_the_record_names_kind_evidence_steps_and_settings_first_things_first() -> None:
    lines = section(text(manifest(), width=120), "training record")
    assert "  epoch    67" in lines
    assert "  args/lr  0.001" in lines
    assert "  optimizer  Adam or AdamW, at optimizer" in lines
    assert "  steps      1,326,816" in lines
    assert (
        "  settings   lr 0.001, betas (0.9, 0.999), weight_decay 0.1, eps 1e-08, foreach None"
    ) in lines


def test_settings_that_groups_share_stand_once_and_the_others_by_group() -> None:
    groups = tuple(
        ParameterGroup(parameters=count, settings=(("lr", "0.1"), ("weight_decay", decay)))
        for count, decay in ((10, "0.1"), (27, "0"))
    )
    made = manifest(optimizers=(msgspec.structs.replace(optimizer(), groups=groups),))
    lines = section(text(made), "training record")
    assert "  groups     2, of 10 + 27 parameters" in lines
    assert "  settings   lr 0.1" in lines
    assert "  group 0    weight_decay 0.1" in lines
    assert "  group 1    weight_decay 0" in lines


def test_counters_in_tensors_are_said_to_be_unread() -> None:
    state = state_dict(tensor("state/0/step"), path="optimizer", role=Role.OPTIMIZER)
    made = manifest(
        optimizers=(msgspec.structs.replace(optimizer(), steps=()),),
        state_dicts=(network(), state),
    )
    assert "kept in tensors, whose values were not read" in text(made)
    bare = manifest(optimizers=(msgspec.structs.replace(optimizer(), steps=()),))
    assert "  steps      not recorded" in text(bare)


def test_a_copy_of_the_network_is_not_told_twice() -> None:
    copy = msgspec.structs.replace(network(), path="ema", role=Role.EMA)
    shown = text(manifest(state_dicts=(network(), copy)))
    assert "its names, shapes and dtypes are those of state_dict network" in shown
    assert shown.count("backbone.stages.0") == text(manifest()).count("backbone.stages.0")


def test_shared_elements_are_said_with_the_count_without_them() -> None:
    made = state_dict(
        tensor("a.weight", 100, 3), tensor("b.weight", 100, 3, alias_of="a.weight"),
        shared_elements=300,
    )  # fmt: skip
    assert "300 of these elements are counted again" in text(manifest(state_dicts=(made,)))


def test_many_groups_of_tensors_are_listed_and_the_others_counted() -> None:
    groups = tuple(
        state_dict(tensor("x", 2), path=f"sample/{index}", role=Role.OTHER) for index in range(100)
    )
    shown = text(manifest(state_dicts=groups))
    assert "92 more groups of tensors" in shown
    assert re.search(r"\n  72 more +72 +144\n", shown)


def test_globals_that_are_not_of_torch_come_first_and_each_stands_once() -> None:
    made = manifest(
        imports=(
            imported("torch", "FloatStorage", 1),
            imported("os", "system", 9),
            imported("torch", "FloatStorage", 20),
            imported("torchvision", "thing", 30),
        )
    )
    lines = section(text(made), "imports")[1:]
    assert [line.split() for line in lines if line] == [
        ["os.system", "1", "archive/data.pkl", "9"],
        ["torchvision.thing", "1", "archive/data.pkl", "30"],
        ["torch.FloatStorage", "2", "archive/data.pkl", "1"],
    ]


def test_of_many_imports_the_strangers_keep_their_place_and_the_rest_is_counted() -> None:
    many = tuple(imported("torch.nn", f"Layer{index}", index) for index in range(50))
    made = manifest(imports=(*many, imported("os", "system", 987)))
    lines = section(text(made), "imports")
    assert re.fullmatch(r"  os.system +1  archive/data.pkl +987", lines[1])
    assert re.fullmatch(r"  27 more +27", lines[-1])
    assert len(section(text(made, tensors=True), "imports")) == 53


def test_a_finding_says_code_place_evidence_and_what_to_do() -> None:
    lines = section(text(manifest(findings=(finding(),))), "findings: 1 error")
    assert lines == [
        "  error[TEN003] storage '7' is shorter than its tensors need",
        "    where      network/head.weight, in archive/data/7 at byte 1,234,567",
        "    evidence   declared 100 elements",
        "               found 12 bytes",
        "    help       the download is incomplete: get the file again",
    ]


def test_findings_come_worst_first_and_many_of_a_kind_are_counted() -> None:
    many = tuple(
        finding(
            code=Code.STORAGE_UNUSED, severity=Severity.INFO, message=f"number {index} is unused"
        )
        for index in range(20)
    )
    shown = text(manifest(findings=(*many, finding())))
    assert "findings: 1 error, 20 for information" in shown
    assert shown.index("error[TEN003]") < shown.index("info[TEN005] number 0")
    assert "number 5" not in shown
    assert "and 15 more TEN005 of severity info" in shown
    assert "number 19" in text(manifest(findings=many), tensors=True)


def test_the_list_of_tensors_holds_every_key_with_what_is_unusual() -> None:
    copy = tensor("b.weight", 3, 4, stride=(1, 3), alias_of="a.weight", device="cpu", storage="17")
    made = state_dict(tensor("a.weight", 3, 4), copy, tensor("a.running_mean", 3))
    lines = section(text(manifest(state_dicts=(made,)), width=120, tensors=True), "3 tensors of")
    assert [line.split() for line in lines[1:] if line] == [
        ["a.weight", "float32", "3×4", "parameter", "0", "cuda:0"],
        ["b.weight", "float32", "3×4", "parameter", "17", "cpu", "same", "as", "a.weight;", "stride", "1,", "3"],
        ["a.running_mean", "float32", "3", "buffer", "0", "cuda:0"],
    ]  # fmt: skip


def test_the_list_of_tensors_includes_the_state_of_optimizers() -> None:
    state = state_dict(tensor("state/0/exp_avg", 2), path="optimizer", role=Role.OPTIMIZER)
    made = manifest(state_dicts=(network(), state))
    assert "state/0/exp_avg" not in text(made)
    assert "state/0/exp_avg" in text(made, tensors=True)


def test_a_file_that_could_not_be_read_is_one_clear_line() -> None:
    failure = Failure(kind="UnknownContainerError", message="expected a checkpoint, found a PDF")
    made = InspectReport(files=(FileReport(path="paper.pth", failure=failure),))
    shown = render_text(made, width=80, color=False)
    assert shown == "paper.pth: not read: expected a checkpoint, found a PDF\n"


def test_several_files_are_summed_up_and_skipped_ones_counted() -> None:
    failure = FileReport(path="bad.pth", failure=Failure(kind="x", message="cut off"))
    made = InspectReport(
        files=(*report(manifest(), manifest(findings=(finding(),))).files, failure),
        skipped=tuple(Skipped(path=f"readme{index}.md", reason="text") for index in range(9)),
    )
    shown = render_text(made, width=80, color=False)
    assert "\n  2 checkpoints in 2 files, 3.81 MiB; 1 not read; 1 error\n" in shown
    lines = section(shown, "skipped: 9 files that are no checkpoints")
    assert [line.split() for line in lines[1:]] == [
        *([f"readme{index}.md", "text"] for index in range(5)),
        ["4", "more"],
    ]


def test_one_file_needs_no_summary() -> None:
    assert "summary" not in text(manifest())


def test_an_empty_report_is_an_empty_text() -> None:
    assert render_text(InspectReport(files=()), width=80, color=False) == ""
