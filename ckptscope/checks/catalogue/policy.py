"""Codes about what a policy asks for (`POL`)."""

from ckptscope.checks.catalogue.entry import Entry
from ckptscope.facts.findings import Code, Severity

_OWN_WORDS = (
    "Change the policy: it is the one place that asks for this, and a comment there says why."
)

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code=Code.FAMILY_REQUIRED,
        title="network is not of the family that the policy asks for",
        severity=Severity.ERROR,
        evidence="The family that was found, the share of tensors that it explains, and why; or "
        "that the file holds no network.",
        why="Code that loads this file by the policy's family would refuse it, or load a part of "
        "it without saying so.",
        remedy="Check that the right file was named. If the family has changed on purpose, change "
        "`family` in the policy.",
        silence=_OWN_WORDS,
    ),
    Entry(
        code=Code.VARIANT_REQUIRED,
        title="network is not the variant that the policy asks for",
        severity=Severity.ERROR,
        evidence="The row of the table that the network is, or comes nearest to, and the claims of "
        "the required row that observed shapes contradict.",
        why="Users choose a variant by its name; its cost and its accuracy are told for that row "
        "and no other.",
        remedy="Publish the file that belongs to the name, or rename this one. "
        "`ckptscope diff --paper` shows which file holds which row.",
        silence=_OWN_WORDS,
    ),
    Entry(
        code=Code.CONTAINER_REFUSED,
        title="container is not among those that the policy allows",
        severity=Severity.ERROR,
        evidence="The chain of containers, from the file to the checkpoint, and those allowed.",
        why="A policy names containers because of who loads them: safetensors hold no code, other "
        "tools open no legacy formats, and hubs do not look into archives.",
        remedy="Save the checkpoint in an allowed container; every layer of packing counts.",
        silence=_OWN_WORDS,
    ),
    Entry(
        code=Code.FILE_TOO_LARGE,
        title="file is larger than the policy allows",
        severity=Severity.ERROR,
        evidence="Its bytes, the policy's, and what most of them are spent on.",
        why="A release that has grown often holds what was not meant for it: an optimizer, an "
        "averaged copy, a storage that views keep alive.",
        remedy="Leave out what is not needed to use the network, or raise `max-size`.",
        silence=_OWN_WORDS,
    ),
    Entry(
        code=Code.METADATA_REQUIRED,
        title="metadata that the policy requires is missing",
        severity=Severity.ERROR,
        evidence="The pattern that nothing fits, and what is there instead.",
        why="Weights without their record cannot be traced to a run, a licence or a version.",
        remedy="Save the value beside the weights, or in the metadata of a safetensors header. "
        "None and an empty text count as missing.",
        silence=_OWN_WORDS,
    ),
    Entry(
        code=Code.VALUES_REQUIRED,
        title="check that the policy requires was not finished",
        severity=Severity.WARNING,
        evidence="Which check, how far it went, and what kept it from being finished.",
        why="What was not gone over was not judged: nothing is known against it, and nothing for "
        "it.",
        remedy="Make the storages readable, or run the gate where all shards are at hand.",
        silence="Take `values` or `deep` out of the policy where the check is made elsewhere.",
        undecided=True,
    ),
    Entry(
        code=Code.SPEC_REQUIRED,
        title="network is no row of the policy's tables",
        severity=Severity.ERROR,
        evidence="The row that comes nearest, and which of its claims are contradicted.",
        why="The policy names tables because every published file is to be one of their rows.",
        remedy="Add the row to the table, or publish a file that is one.",
        silence=_OWN_WORDS,
    ),
    Entry(
        code=Code.SETTING_REQUIRED,
        title="setting of the network is not what the policy asks for",
        severity=Severity.ERROR,
        evidence="The value that was found, whether it is observed or derived, and the tensors "
        "that it rests on.",
        why="Code that builds the network by the policy's settings would not take these weights, "
        "or would take them and compute something else.",
        remedy="Check that the right file was named, or change `config` in the policy.",
        silence=_OWN_WORDS,
    ),
    Entry(
        code=Code.NOT_DECIDED,
        title="nothing in the file decides what the policy asks for",
        severity=Severity.WARNING,
        evidence="What is assumed, and on which convention; what could decide.",
        why="The file does not speak against the policy, and not for it either: several answers "
        "fit the same tensors, no family knows the network, or the name says nothing.",
        remedy="Give what could decide: a telling name, a table of your own with `spec`, a family "
        "of your own; or ask only for what shapes can show.",
        silence='A policy that can live with it says `warn = ["POL010"]`.',
        undecided=True,
    ),
    Entry(
        code=Code.WAIVER_EXPIRED,
        title="waiver of the policy has expired",
        severity=Severity.WARNING,
        evidence="The waiver's line, its reason, the day, and how many findings count again.",
        why="A waiver is granted for a while, so that what it excuses is looked at again.",
        remedy="Repair what was waived, or decide anew and move the date.",
        silence="Take the waiver out of the policy.",
    ),
    Entry(
        code=Code.WAIVER_UNUSED,
        title="waiver, or entry of the baseline, is needed by nothing",
        severity=Severity.INFO,
        evidence="The waiver's line; of a baseline the first entries that were not met.",
        why="An excuse that nothing needs would excuse the next finding of its kind unseen.",
        remedy="Take the waiver out of the policy, or write the baseline anew.",
        silence="Only waivers for files of the run are judged, so a run over some files is quiet "
        "about the others.",
    ),
)
