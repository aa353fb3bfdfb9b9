"""What can go wrong, for whom, and where.

Enters: nothing. Leaves: the error tree that every room raises from. A `UsageError` says that the
request is wrong, an `ArtifactError` that the file is, a `SpecError` that a table is. Anything else
that escapes is a defect of ckptscope and keeps its traceback.
"""


class CkptscopeError(Exception):
    """Root of all errors that ckptscope raises on purpose."""


class UsageError(CkptscopeError):
    """The request is wrong: no such file, an option that does not fit."""


class ArtifactError(CkptscopeError):
    """The file is wrong.

    Attributes:
        message: Lower case, *expected ..., found ...*; text of the file quoted with `{!r}`.
        member: The member of the archive, or the file of a folder, that is meant; None for the
            file as a whole.
        offset_bytes: Byte offset within `member` (or within the file), where it is known.
        advice: What the user can do next, or None.
        reached: What a pickle had named before it broke off; an unpickler would have run it.
    """

    def __init__(
        self,
        message: str,
        *,
        member: str | None = None,
        offset_bytes: int | None = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.member = member
        self.offset_bytes = offset_bytes
        self.advice = advice
        self.reached: tuple[object, ...] = ()

    def __str__(self) -> str:
        text = self.message
        if self.member is not None:
            text += f", in {self.member!r}"
        if self.offset_bytes is not None:
            text += f" at byte {self.offset_bytes}"
        if self.advice is not None:
            text += f"; {self.advice}"
        return text


class UnknownContainerError(ArtifactError):
    """The bytes are no checkpoint of a kind that ckptscope reads."""


class ContainerFormatError(ArtifactError):
    """An archive, stream or header breaks the rules of its format."""


class PickleFormatError(ArtifactError):
    """A pickle breaks the rules of its protocol.

    Attributes:
        is_cut_off: Whether it does so only by breaking off: bytes are missing at the end.
    """

    is_cut_off = False


class TensorLayoutError(ArtifactError):
    """A tensor's values cannot be laid over its storage."""


class LimitError(ArtifactError):
    """Reading on would cost more than the limits allow.

    Attributes:
        limit: Name of the field of `Limits`.
        allowed: Its value.
        actual: What the file asks for (at least).
        final: Whether nothing more may be read of the file, not even its other members.
    """

    def __init__(
        self,
        limit: str,
        *,
        allowed: int,
        actual: int,
        member: str | None = None,
        offset_bytes: int | None = None,
        advice: str | None = None,
        final: bool = False,
    ) -> None:
        super().__init__(
            f"limit {limit!r} is {allowed:,}, the file asks for {actual:,}",
            member=member,
            offset_bytes=offset_bytes,
            advice=advice,
        )
        self.limit = limit
        self.allowed = allowed
        self.actual = actual
        self.final = final


class SpecError(CkptscopeError):
    """A table of claims is wrong.

    Attributes:
        path: File and place, for example `convnextpose.toml: variants.S.depths`.
    """

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


class PolicyError(CkptscopeError):
    """A policy, or a baseline, is wrong.

    Attributes:
        path: File, line and key, for example `ckptscope.toml:12: gate.max_bytes`.
    """

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
