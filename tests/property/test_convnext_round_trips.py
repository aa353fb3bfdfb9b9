"""Random ConvNeXts: configuration, keys, any prefix, any order, inference, the same configuration."""

from builders.state_dicts import shapes_of, state_dict_of
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.families.known.convnext import ConvNeXt
from ckptscope.families.known.convnext.configuration import ConvNeXtConfiguration
from ckptscope.families.probe import infer_architectures

FAMILY = ConvNeXt()

PREFIXES = st.one_of(
    st.sampled_from(["", "module.", "encoder.", "_orig_mod.module.", "convnext.", "stages.0."]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(lambda text: f"{text}."),
)
WIDTHS = st.integers(1, 48)


@st.composite
def networks(draw) -> tuple[str, ConvNeXtConfiguration]:
    """A dialect, and a configuration that its code can build."""
    dialect = draw(st.sampled_from(FAMILY.dialects))
    is_timm, is_torchvision = dialect == "timm", dialect == "torchvision"
    stages = draw(st.integers(1, 5))
    between = draw(st.none() | WIDTHS) if is_timm else None
    final_norm = draw(st.booleans())
    configuration = ConvNeXtConfiguration(
        dims=tuple(draw(st.lists(WIDTHS, min_size=stages, max_size=stages))),
        depths=tuple(draw(st.lists(st.integers(1, 4), min_size=stages, max_size=stages))),
        classes=draw(st.none() | st.integers(1, 2000)),
        layer_scale=draw(st.booleans()),
        grn=draw(st.booleans()) and not is_torchvision,
        kernel_size=draw(st.integers(1, 11)),
        expansion=draw(st.integers(1, 6)),
        norm=draw(st.sampled_from(["LayerNorm", "RMSNorm", "BatchNorm2d"])),
        stem_kernel=draw(st.integers(1, 8)),
        stem_channels=between,
        stem_activation=between is not None and draw(st.booleans()),
        input_channels=draw(st.integers(1, 5)),
        pointwise_convolutions=draw(st.booleans()),
        final_norm=final_norm,
        head_norm_first=is_timm and final_norm and draw(st.booleans()),
        head_hidden=draw(st.none() | WIDTHS) if is_timm else None,
    )
    return dialect, configuration


@given(networks(), PREFIXES, st.randoms(use_true_random=False))
def test_a_configuration_comes_back_from_its_keys(network, prefix, order):
    dialect, configuration = network
    pairs = list(shapes_of(FAMILY.keys(configuration, dialect)).items())
    order.shuffle(pairs)
    (found,) = infer_architectures(state_dict_of(pairs, prefix=prefix))
    assert found.family == "convnext"
    assert found.prefix == prefix
    assert found.dialect == dialect
    assert FAMILY.configure(found.settings) == configuration
    assert found.differences.is_empty
    assert found.misfits == ()
    assert found.coverage == 1


@given(networks())
def test_attributes_and_facts_agree(network):
    dialect, configuration = network
    state_dict = state_dict_of(shapes_of(FAMILY.keys(configuration, dialect)))
    (found,) = infer_architectures(state_dict)
    attributes = FAMILY.attributes(configuration)
    for fact in found.facts:
        if fact.name not in ("dialect", "prefix"):
            assert fact.value == attributes[fact.name], fact.name


@given(networks())
def test_closed_form_counts_are_sums_over_the_keys(network):
    dialect, configuration = network
    table = FAMILY.keys(configuration, dialect)
    counts = FAMILY.count(configuration)
    assert counts.tensors == len(table) == len({tensor.key for tensor in table})
    assert counts.elements == sum(tensor.elements for tensor in table)
    assert counts.parameters == sum(one.elements for one in table if one.kind == "parameter")


@given(networks(), st.data())
def test_damage_never_fails_and_what_is_lost_is_named(network, data):
    dialect, configuration = network
    shapes = shapes_of(FAMILY.keys(configuration, dialect))
    keys = list(shapes)
    lost = data.draw(st.sets(st.sampled_from(keys), max_size=len(keys) // 4))
    bent = data.draw(st.sets(st.sampled_from(keys), max_size=3))
    damaged = {key: shape for key, shape in shapes.items() if key not in lost}
    for key in bent & damaged.keys():
        damaged[key] = tuple(data.draw(st.lists(st.sampled_from([0, 1, 7, 2**62]), max_size=5)))
    for found in infer_architectures(state_dict_of(damaged, prefix="module.")):
        assert found.settings is None or FAMILY.configure(found.settings)
        if found.settings is not None and FAMILY.configure(found.settings) == configuration:
            named = {key.removeprefix("module.") for key in found.differences.missing}
            assert found.differences.tolerated or named == lost
