"""Rows of a module tree: folded, indented, within their room, with sums that add up."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import network as stages
from report_samples import norm, state_dict, tensor

from ckptscope.facts.modules import ModuleNode, Reading
from ckptscope.facts.tensors import Origin, StateDict, TensorInfo, TreeNode
from ckptscope.reports.modules import (
    ModuleRow,
    describe_kinds,
    kind_notes,
    kind_text,
    module_rows,
    module_table,
)
from ckptscope.reports.tables import fit_table, github_table
from ckptscope.tensors.modules import build_module_tree

segments = st.sampled_from(["0", "1", "2", "3", "01", "a", "b", "layer", "", "{0..2}"])
keys = st.lists(
    st.tuples(
        st.lists(segments, min_size=1, max_size=5).map(lambda s: ".".join([*s, "weight"])),
        st.sampled_from([(2,), (2, 3), (4, 2, 3, 3), ()]),
    ),
    max_size=60,
)


def network() -> StateDict:
    """Stages behind a stem, which takes the image."""
    stem = tensor("module.stem.weight", 48, 3, 4, 4)
    return state_dict(stem, *stages().tensors, prefix="module.")


def tree_of(*tensors: TensorInfo, **changes: object) -> ModuleNode:
    return build_module_tree(state_dict(*tensors, **changes))


def rows_of(made: StateDict, depth: int | None = None, most_rows: int = 48) -> list[ModuleRow]:
    return list(module_rows(build_module_tree(made), depth=depth, most_rows=most_rows).rows)


def lines(node: ModuleNode, width: int = 80, depth: int | None = None) -> list[str]:
    fitted = fit_table(module_table(node, depth=depth), width)
    return [
        line.replace("\N{MULTIPLICATION SIGN}", "x") for line in (*fitted.rows, *fitted.closing)
    ]


def cells(node: ModuleNode, depth: int | None = None) -> list[tuple[str, str]]:
    found = module_rows(node, depth=depth)
    return [(row.indented, row.kind.replace("\N{MULTIPLICATION SIGN}", "x")) for row in found.rows]


# What stands in the rows.


def test_a_network_is_laid_out_with_its_blocks_folded() -> None:
    assert cells(build_module_tree(network())) == [
        ("stem", "Conv2d 3→48 4x4"),
        ("backbone.stages", ""),
        ("  0.{0..2}", "3 alike"),
        ("    dwconv", "Conv2d 48 7x7 depthwise"),
        ("    norm", "BatchNorm2d 48"),
        ("    pwconv1", "Conv2d 48→192 1x1"),
        ("  1.{0..8}", "9 alike"),
        ("    dwconv", "Conv2d 96 7x7 depthwise"),
        ("    norm", "BatchNorm2d 96"),
        ("    pwconv1", "Conv2d 96→384 1x1"),
        ("head.final_layer", "Conv2d 96→576 1x1"),
    ]


def test_a_first_block_that_reads_otherwise_is_not_folded_with_the_others() -> None:
    tensors = [tensor(f"blocks.{n}.dwconv.weight", 8, 1, 3, 3) for n in range(3)]
    # The first convolution of a file may take a single channel.
    assert [name for name, _ in cells(tree_of(*tensors), depth=9)] == [
        "blocks",
        "  0.dwconv",
        "  {1,2}.dwconv",
    ]


def test_closed_modules_say_what_they_hold() -> None:
    assert cells(build_module_tree(network()), depth=1) == [
        ("stem", "Conv2d 3→48 4x4"),
        ("backbone.stages", "24 Conv2d, 12 BatchNorm2d"),
        ("head.final_layer", "Conv2d 96→576 1x1"),
    ]
    assert cells(build_module_tree(network()), depth=2)[2] == (
        "  0.{0..2}",
        "6 Conv2d, 3 BatchNorm2d",
    )


def test_layers_of_a_list_fold_only_with_their_neighbours() -> None:
    tensors: list[TensorInfo] = []
    for index in (0, 3):
        tensors.append(tensor(f"s.{index}.weight", 8, 8, 3, 3))
        tensors += norm(f"s.{index + 1}", 8)
    tensors += [tensor(f"t.{index}.weight", 8, 8, 3, 3) for index in range(3)]
    assert [name for name, _ in cells(tree_of(*tensors))] == [
        *("s", "  0", "  1", "  3", "  4"),
        "t.{0..2}",
    ]


def test_blocks_that_alternate_fold_all_the_same() -> None:
    tensors = [
        tensor(f"blocks.{index}.{name}.weight", 8 + index % 2, 3)
        for index in range(4)
        for name in ("a", "b")
    ]
    named = [name for name, _ in cells(tree_of(*tensors), depth=2)]
    assert named == ["blocks", "  {0,2}", "  {1,3}"]


def test_modules_without_tensors_stand_only_where_a_depth_is_asked_for() -> None:
    pickled = TreeNode(
        name="",
        kind="module",
        class_name="nets.Net",
        children=(
            TreeNode(name="fc", kind="module", class_name="torch.nn.Linear"),
            TreeNode(name="up", kind="module", class_name="torch.nn.Upsample"),
        ),
    )
    made = state_dict(tensor("fc.weight", 3, 2), tensor("fc.bias", 3), path="")
    tree = build_module_tree(made, pickled)
    assert cells(tree) == [("fc", "Linear 2→3")]
    assert cells(tree, depth=1) == [("fc", "Linear 2→3"), ("up", "Upsample")]


def test_a_layer_alone_is_the_top_level() -> None:
    tree = tree_of(tensor("weight", 3, 2), tensor("bias", 3))
    assert cells(tree) == [("(top level)", "Linear 2→3")]
    assert [line.split()[:3] for line in lines(tree)] == [["(top", "level)", "Linear"]]
    assert cells(tree_of()) == [("(top level)", "")]


def test_what_is_undetermined_bears_a_question_mark_and_the_other_kind() -> None:
    tree = tree_of(
        tensor("x.weight", 8),
        tensor("x.bias", 8),
        *norm("y", 7),
        tensor("z.weight", 9, 5),
        tensor("u.weight", 6, 4, 2, 2),
    )
    assert [kind for _, kind in cells(tree)] == [
        "LayerNorm 8 or GroupNorm?",
        "BatchNorm 7?",
        "Linear 5→9 no bias or Embedding?",
        "Conv2d 4→6 2x2 or ConvTranspose2d?",
    ]


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (Origin.OBSERVED, "A 3"),
        (Origin.ASSUMED, "A 3"),
        (Origin.UNDETERMINED, "A 3 or B?"),
    ],
)
def test_only_what_is_undetermined_is_questioned(origin: Origin, expected: str) -> None:
    node = ModuleNode(
        name="x", path="x", kind="A", detail="3", origin=origin, alternatives=(Reading(kind="B"),)
    )
    assert kind_text(node) == expected


# Sums.


def folded_count(rows: Sequence[ModuleRow]) -> int:
    """Tensors of the rows that stand at the top."""
    return sum(row.tensors for row in rows if row.level == 0)


@given(keys, st.integers(1, 12) | st.none())
def test_rows_at_the_top_add_up_to_the_state_dict(
    named: list[tuple[str, tuple[int, ...]]], most_rows: int | None
) -> None:
    made = state_dict(*(tensor(key, *shape) for key, shape in named))
    tree = build_module_tree(made)
    found = module_rows(tree, most_rows=1000 if most_rows is None else most_rows)
    top = [row for row in (*found.rows, *found.left_out) if row.level == 0]
    assert sum(row.tensors for row in top) == len(made.tensors)
    assert sum(row.parameters for row in top) == made.parameters
    assert sum(row.buffers for row in top) == made.buffers
    assert sum(row.size_bytes for row in top) == tree.size_bytes
    if tree.size_bytes:
        assert math.isclose(sum(row.share for row in top), 1.0)
    if most_rows is not None:
        assert len(found.rows) <= most_rows


@given(keys)
def test_a_row_that_is_opened_is_the_sum_of_those_below_it_and_of_its_own(
    named: list[tuple[str, tuple[int, ...]]],
) -> None:
    rows = module_rows(tree_of(*(tensor(key, *shape) for key, shape in named)), depth=99).rows
    for index, row in enumerate(rows):
        below = []
        for other in rows[index + 1 :]:
            if other.level <= row.level:
                break
            below += [other] if other.level == row.level + 1 else []
        if below:
            assert row.parameters >= sum(one.parameters for one in below)
            if not row.kind or row.kind.endswith("alike"):
                assert row.parameters == sum(one.parameters for one in below)
                assert row.tensors == sum(one.tensors for one in below)


@pytest.mark.parametrize("depth", [1, 2, 3, 99])
def test_a_depth_is_not_exceeded(depth: int) -> None:
    assert max(row.level for row in rows_of(network(), depth=depth)) == min(depth, 3) - 1


def test_too_many_modules_are_cut_to_the_largest_and_the_rest_is_summed() -> None:
    tree = tree_of(*(tensor(f"m{index}.weight", index + 1, 3) for index in range(200)))
    shown = lines(tree)
    assert len(shown) == 50 - 1
    assert shown[-2].startswith("153 more, smaller")
    assert shown[-1].split()[:2] == ["total", "60,300"]
    assert "m199" in shown[-3]


# Layout.


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_lines_fit_their_width(width: int) -> None:
    long = "a_module_with_a_name_that_is_much_longer_than_any_terminal_would_like"
    tensors = [*network().tensors, tensor(f"module.{long}.{long}.weight", 2048, 512)]
    tree = tree_of(*tensors, prefix="module.")
    assert max(len(line) for line in lines(tree, width, depth=9)) <= width


def test_kinds_are_not_cut_at_eighty_columns() -> None:
    shown = "\n".join(lines(build_module_tree(network()), 78))
    assert "Conv2d 48 7x7 depthwise" in shown
    assert "…" not in shown


def test_text_of_the_file_is_escaped_in_tables() -> None:
    node = TreeNode(
        name="",
        kind="module",
        children=(TreeNode(name="x", kind="module", class_name="a.\x1b[31m|`<b>"),),
    )
    made = state_dict(tensor("x.weight", 3, 2), path="")
    tree = build_module_tree(made, node)
    assert "\x1b" not in "\n".join(lines(tree))
    page = github_table(module_table(tree))
    assert "\x1b" not in page
    assert "\\|" in page


def test_markdown_keeps_the_indentation_inside_code() -> None:
    page = github_table(module_table(build_module_tree(network())))
    assert "`   0.{0..2} `" in page
    assert "`BatchNorm2d 48`" in page


# What kinds rest on.


def test_layers_are_grouped_by_what_their_kinds_rest_on() -> None:
    notes = kind_notes(build_module_tree(network()))
    assert sum(note.layers for note in notes) == 38
    assert [note.layers for note in notes] == sorted((n.layers for n in notes), reverse=True)
    norms = [note for note in notes if note.kind == "BatchNorm2d"]
    assert [note.layers for note in norms] == [12]
    assert norms[0].sentence.startswith(
        "12 BatchNorm2d (could be BatchNorm1d, BatchNorm3d, SyncBatchNorm and 1 more): "
    )


def told(node: ModuleNode, most_notes: int = 8) -> list[tuple[str, str]]:
    blocks = describe_kinds(node, most_notes=most_notes)
    return [(block.label, "".join(part.text for part in block.parts)) for block in blocks]  # type: ignore[union-attr]


def test_every_assumption_is_told_and_the_undetermined_first() -> None:
    tree = tree_of(
        tensor("fc.weight", 3, 2),
        tensor("fc.bias", 3),
        tensor("ln.weight", 8),
        tensor("ln.bias", 8),
        tensor("y.weight", 5),
        tensor("y.bias", 5),
    )
    found = told(tree)
    assert found[0] == ("layers", "3; kinds: 1 observed, 1 assumed, 1 undetermined")
    assert [label for label, _ in found] == ["layers", "open", "assumed"]
    assert found[1][1].startswith("1 LayerNorm (could be GroupNorm, ")
    assert [label for label, _ in told(tree, most_notes=1)] == ["layers", "open", ""]


def test_bare_parameters_and_empty_networks_need_no_grounds() -> None:
    assert told(tree_of(tensor("theta", 3))) == []
    assert told(tree_of()) == []
