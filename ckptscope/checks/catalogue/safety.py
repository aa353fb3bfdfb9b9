"""Codes about what loading would run (`SAF`)."""

from ckptscope.checks.catalogue.entry import Entry
from ckptscope.facts.findings import Code, Severity

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code=Code.IMPORT_DANGEROUS,
        title="pickle names what can do more than build values",
        severity=Severity.ERROR,
        evidence="the name as the pickle spells it and the one that it leads to, what that one "
        "does, and the opcode, byte offset and member of each place.",
        why="A pickle is a program: loading it imports the names in it and calls them with "
        "arguments of the file's choosing. This name runs commands, evaluates code, opens files, "
        "reaches the network, imports modules, fetches attributes by name, or loads another "
        "pickle. No checkpoint needs that to hold weights. The name alone does not say who put "
        "it there: some libraries pickle functions by their code.",
        remedy="Where the file is yours, save the `state_dict()` in place of the object, or "
        "safetensors. Where it is not, do not load it except with `weights_only=True`, which "
        "refuses such names, and ask its author.",
        silence="Only with a waiver for this file, and a reason that says what the call does; a "
        "list of allowed imports has no effect on these names.",
    ),
    Entry(
        code=Code.IMPORT_UNKNOWN,
        title="pickle names a class or function that is not known",
        severity=Severity.WARNING,
        evidence="the name, the package that loading needs, and the opcode, byte offset and "
        "member of each place.",
        why="Loading imports that package and runs its code with arguments from the file. "
        "Whether that is harmless depends on the package, which is not in the file. Who lacks "
        "it, or has another version of it, cannot load the file.",
        remedy="Save the `state_dict()` in place of the object: plain tensors load everywhere. "
        "Where the class is needed, say in the model's description which version of which "
        "package defines it.",
        silence="Where the package is yours or trusted, list the class among the "
        "`allowed-imports` of the policy: `mylab.models.PoseNet`, or `mylab.models.*`.",
        undecided=True,
    ),
    Entry(
        code=Code.IMPORT_HIDDEN,
        title="pickle imports a name that it does not tell",
        severity=Severity.ERROR,
        evidence="how the name comes about (a number of a registry, a computation, the result of "
        "another call), and the opcode, byte offset and member of each place.",
        why="The name is put together while the file is loaded, stands in a registry of the "
        "process that loads it, or what a call gave is called in its turn. No pickler writes "
        "such a thing for the contents of a checkpoint; it serves to get past a scanner that "
        "reads names.",
        remedy="Do not load the file. Where it is yours, find out what wrote it, and save it "
        "again with torch.save. Classes registered with `copyreg.add_extension` are to be saved "
        "in a process that does not register them.",
        silence="There is hardly a good reason to.",
    ),
    Entry(
        code=Code.CODE_INCLUDED,
        title="archive holds code",
        severity=Severity.INFO,
        evidence="the members that are code, and how many there are.",
        why="A TorchScript archive or a torch package carries the source of its model, and "
        "loading it runs that: TorchScript in an interpreter of torch's own, whose operators can "
        "read and write files, a package as Python. It is what such a file is for; ckptscope "
        "lists the code and does not judge it.",
        remedy="Read the listed members before the file is loaded, or publish the weights alone.",
        silence="Where TorchScript or packages are what is published, ignore the code in the "
        "policy.",
    ),
    Entry(
        code=Code.EXECUTABLE_MEMBER,
        title="member is a program, a script or a library",
        severity=Severity.WARNING,
        evidence="the member, and what it is by its first bytes or its name.",
        why="Loading the checkpoint does not run it, and a checkpoint has no use for it: it is "
        "there for somebody who unpacks the archive, or by accident.",
        remedy="Write the archive again without it.",
        silence="Waive it for the archives that are meant to bring a program along, with the "
        "reason.",
    ),
    Entry(
        code=Code.WEIGHTS_ONLY_REFUSED,
        title="refused by torch.load(weights_only=True)",
        severity=Severity.WARNING,
        evidence="the versions of torch that refuse the file, the first thing at which they stop "
        "with its opcode and offset, and every name that is not on the newest version's list.",
        why="Since torch 2.6 `torch.load` takes `weights_only=True` where nothing else is said, "
        "and then makes only objects of the classes on a short list. Who loads this file gets an "
        "error, and the usual way out of it, `weights_only=False`, runs whatever the file says. "
        "A TorchScript archive has a loader of its own, `torch.jit.load`; for it this is "
        "information.",
        remedy="Save tensors, numbers, text, lists and dicts with `torch.save`, and nothing "
        "else: the `state_dict()` of a model in place of the model, `vars(args)` in place of a "
        "Namespace, `value.item()` in place of a numpy scalar, `str(path)` in place of a path; "
        "in torch's own protocol 2. The finding says which of these it is. Where the classes are "
        "needed, tell readers what to hand to `torch.serialization.add_safe_globals`.",
        silence="A file that is only read by the project that wrote it, with its classes at "
        "hand, may stay as it is: waive it for that file, with the reason.",
    ),
    Entry(
        code=Code.WEIGHTS_ONLY_DEPENDS,
        title="accepted with weights_only=True by some versions of torch only",
        severity=Severity.INFO,
        evidence="the versions of torch that refuse the file and what stops them, and those that "
        "accept it.",
        why="The list of what `weights_only=True` accepts has grown: bytes came with torch 2.5, "
        "sets and complex numbers with 2.6, small integers with 2.7. Readers with an older torch "
        "get an error where those with a newer one see nothing.",
        remedy="Name the oldest version of torch that reads the file, or save what stops the "
        "older ones in another form; the finding says which.",
        silence="Where the project asks for a newer torch anyway, ignore the code in the policy.",
    ),
)
