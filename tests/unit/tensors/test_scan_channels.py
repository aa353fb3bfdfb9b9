"""Which rows of a tensor are nothing but zeros, and which are equal to another."""

import numpy as np
import pytest
from builders.opened_storages import Opened, manifest_of, scan_array, view

from ckptscope.facts.tensors import Role
from ckptscope.tensors.scanning import scan_values


def test_filters_that_are_equal_bit_by_bit_are_found_across_chunks():
    array = np.random.default_rng(0).standard_normal((64, 3, 5, 5)).astype(np.float32)
    array[40], array[63], array[7] = array[2], array[2], 0
    found = scan_array(array, chunk_bytes=1000).channels
    assert (found.zero_first, found.repeated_first) == ((7,), ((40, 2), (63, 2)))


def test_rows_of_the_same_elements_in_another_order_are_not_equal():
    found = scan_array(np.eye(64, dtype=np.float32)).channels
    assert (found.count, found.zero, found.repeated) == (64, 0, 0)


def test_rows_that_differ_in_signs_alone_are_not_equal():
    rng = np.random.default_rng(3)
    array = np.unique(rng.choice([-0.5, 0.5], (2000, 16)), axis=0).astype(np.float32)
    rng.shuffle(array)
    assert scan_array(array).channels.repeated == 0
    doubled = np.concatenate((array, array[:100]))
    assert scan_array(doubled).channels.repeated == 100


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "int64"])
def test_columns_of_a_transposed_matrix_are_compared_as_its_rows(dtype):
    array = np.random.default_rng(0).integers(1, 100, (37, 50)).astype(dtype)
    array[:, 9] = array[:, 4]
    one = view(dtype, (50, 37), (1, 50))
    opened = Opened(array.tobytes(), one)
    (found,) = scan_values(opened, chunk_bytes=256)
    assert found.channels.repeated_first == ((9, 4),)
    # Equal sums are looked at twice, and no more often.
    assert opened.source.total <= 2 * array.nbytes


@pytest.mark.parametrize("roles", [(Role.NETWORK, Role.OPTIMIZER), (Role.OPTIMIZER, Role.NETWORK)])
def test_rows_are_channels_where_any_of_a_tensors_names_is_of_a_network(roles):
    array = np.ones((3, 4), np.float32)
    opened = Opened(array.tobytes(), view("float32", array.shape))
    opened.manifest = manifest_of(opened.manifest.state_dicts[0].tensors, *roles)
    assert [one.channels.repeated for one in scan_values(opened)] == [2, 2]


def test_the_rows_of_an_optimizers_tensors_are_no_channels():
    array = np.ones((3, 4), np.float32)
    opened = Opened(array.tobytes(), view("float32", array.shape))
    opened.manifest = manifest_of(opened.manifest.state_dicts[0].tensors, Role.OPTIMIZER)
    (found,) = scan_values(opened)
    assert (found.channels, found.mean) == (None, 1)
