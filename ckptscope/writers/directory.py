"""The unpacked folder of a torch zip, as people get it by unzipping a checkpoint.

Enters: a value with tensors. Leaves: a folder of the members of `torch_zip`, which torch.load
cannot open. Its name stands for the root folder.
"""

import os

from ckptscope.errors import UsageError
from ckptscope.writers.atomic import writing_directory
from ckptscope.writers.torch_zip import CURRENT, TorchZipOptions, torch_members


def write_directory(
    path: str | os.PathLike[str], value: object, *, options: TorchZipOptions = CURRENT
) -> None:
    """Write a value as a folder; of `options`, only those that concern the members count.

    Raises:
        TensorLayoutError: A storage gives another number of bytes than it declares.
        UsageError: Something is there already, or the value cannot be written.
    """
    with writing_directory(path) as folder:
        for member in torch_members(value, options):
            place = folder / member.name
            if not place.resolve().is_relative_to(folder.resolve()):
                raise UsageError(f"expected a key that is a file name, found {member.name!r}")
            place.parent.mkdir(exist_ok=True)
            with place.open("xb") as file:
                file.writelines(member.read())
