"""Files of claims, written and checked: TOML from values, verdicts by id."""

from collections.abc import Mapping
from pathlib import Path

from ckptscope.facts.checked import CheckedClaim
from ckptscope.specs.arithmetic.files import load_document
from ckptscope.specs.arithmetic.judging import check_document

HEAD = 'schema = "ckptscope/claims/1"\nfamily = "{family}"\n'


def toml_of(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_of(one) for one in value)}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f'"{key}" = {toml_of(one)}' for key, one in value.items()) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value)


def network_of(**values: object) -> str:
    """One network as an inline table; `depths_2` stands for `depths[2]`."""
    return toml_of(
        {
            f"{name[:-2]}[{name[-1]}]" if name[-2:-1] == "_" and name[-1].isdigit() else name: value
            for name, value in values.items()
        }
    )


def check_text(text: str, folder: Path, *, family: str = "convnextpose") -> dict[str, CheckedClaim]:
    """Check claims that follow the head of a file; by id."""
    path = folder / "claims.toml"
    path.write_text(HEAD.format(family=family) + text, encoding="utf-8")
    return {claim.id: claim for claim in check_document(load_document(path)).claims}


def check_one(
    folder: Path, *networks: str, more: str = "", family: str = "convnextpose"
) -> CheckedClaim:
    """Check one claim about networks."""
    text = f"[[claims]]\nid = 1\nnetworks = [{', '.join(networks)}]\n{more}"
    return check_text(text, folder, family=family)["1"]


def told(claim: CheckedClaim) -> str:
    """Everything that is said of a claim, as one text."""
    parts = [text for part in claim.parts for text in (part.reason, *part.evidence)]
    effects = [f"{remedy.text} {remedy.effect}" for part in claim.parts for remedy in part.remedies]
    return "\n".join((claim.reason, *claim.evidence, *parts, *effects))
