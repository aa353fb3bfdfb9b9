"""Formats that wrap whole torch zips, and indexes among other files."""

from builders.pickles import tensor
from builders.reading import outcomes
from builders.zips import Member, torch_zip, zip_bytes

from ckptscope.containers import Contents, Unread

CHECKPOINT = torch_zip({"w": tensor("0", (6,))}, {"0": bytes(24)})


def test_an_exported_program_of_2024_gives_the_torch_zips_that_it_wraps():
    # Laid out by hand as torch 2.1 to 2.6 did.
    data = zip_bytes(
        [
            Member(name="version", data=b"7.4"),
            Member(name="serialized_exported_program.json", data=b"{}"),
            Member(name="serialized_state_dict.pt", data=CHECKPOINT),
        ]
    )
    found = [one for one in outcomes(data) if isinstance(one, Contents)]
    assert [(list(map(str, one.containers)), one.location) for one in found] == [
        (["torch.export", "torch zip"], ("serialized_state_dict.pt",))
    ]


def test_a_damaged_index_does_not_hide_the_files_beside_it():
    data = zip_bytes(
        [
            Member(name="good.pt", data=CHECKPOINT),
            Member(name="config.index.json", data=b'{"weight_map": []}'),
        ]
    )
    found = outcomes(data)
    assert [one.location for one in found if isinstance(one, Contents)] == [("good.pt",)]
    assert [one.location for one in found if isinstance(one, Unread)] == [("config.index.json",)]
