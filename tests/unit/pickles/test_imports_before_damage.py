"""What a pickle names before it breaks off is told: an unpickler would have run it by then."""

from builders.pickles import asm, global_

from ckptscope.pipeline import inspect


def test_imports_before_the_damage_stand_with_the_failure(tmp_path):
    path = tmp_path / "payload.pkl"
    path.write_bytes(asm(b"\x80\x02", global_("os", "system"), b"\xff"))
    (report,) = inspect(path).files
    assert report.failure is not None
    assert [(one.module, one.name) for one in report.failure.imports] == [("os", "system")]
