"""Codes about the training record (`TRN`).

What these codes compare was written by a training program and says how that was run; so most of
them tell and do not judge. Only what no training can have made is an error, and a secret.
"""

from ckptscope.checks.catalogue.entry import Entry
from ckptscope.facts.findings import Code, Severity

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code=Code.OPTIMIZER_COUNT,
        title="optimizer lists more parameters than the file holds",
        severity=Severity.ERROR,
        evidence="How many parameters each group lists, how many the networks of the file have, "
        "and shapes among the states that no parameter has.",
        why="The optimizer trained another network, or more than this one: a state_dict of "
        "another run, a part of the network that was not saved. Training cannot be resumed from "
        "the file. The weights themselves may be right.",
        remedy="Save network and optimizer of one run, the whole of both; or the network alone.",
        silence="Where a part of the trained model is left out on purpose, such as a "
        "discriminator.",
    ),
    Entry(
        code=Code.OPTIMIZER_SHAPES,
        title="optimizer's states do not fit the network's parameters",
        severity=Severity.ERROR,
        evidence="Shapes of states that no parameter is left for; or the first state whose shape "
        "is not that of the parameter in its place.",
        why="Adam and its like keep tensors of each parameter's shape, in the order of the "
        "network. A shape that no parameter has comes from another network. Shapes that all fit "
        "but in another order are a warning: the optimizer may have been given them so, and "
        "load_state_dict of an optimizer would not notice.",
        remedy="Save network and optimizer of one run together, or the network alone.",
    ),
    Entry(
        code=Code.OPTIMIZER_INCLUDED,
        title="file holds the state of an optimizer",
        severity=Severity.WARNING,
        evidence="The bytes that it takes up, their share of the file, the bytes that would be "
        "left, and the algorithm.",
        why="Running the network needs none of it, and Adam's is twice the size of the weights. "
        "Resuming the training needs it.",
        remedy="Publish a file with the state_dict alone, and this one beside it for those who "
        "train on.",
        silence="For checkpoints that are published to be resumed.",
    ),
    Entry(
        code=Code.EMA_INCLUDED,
        title="file holds an averaged copy of the weights",
        severity=Severity.WARNING,
        evidence="Where it stands, the bytes that it takes up, and why it is taken for one: a word "
        "in its name, which is an assumption.",
        why="The two give different results, and who loads the file must know which one the "
        "published numbers are of. Without the other network beside it, or without bytes of its "
        "own, it is information.",
        remedy="Publish the one that the numbers are of, or say which it is.",
        silence="Where the file's page says which of the two to load.",
    ),
    Entry(
        code=Code.COUNTERS_DISAGREE,
        title="counters of steps and batches disagree",
        severity=Severity.WARNING,
        evidence="The different counts, how many modules have each, and the first of them.",
        why="In one run every parameter makes the same number of steps and every BatchNorm sees "
        "the same batches, unless layers are frozen, begin from pretrained weights, or get no "
        "gradient at times. Else the parts are of different runs. Which, the file cannot tell; "
        "what an ordinary design explains is information.",
        remedy="If a reason of that kind is known, say it beside the file. Else compare the "
        "parts with the runs that they should be of.",
    ),
    Entry(
        code=Code.EPOCH_DISAGREES,
        title="epoch does not go with the steps",
        severity=Severity.WARNING,
        evidence="The epoch, and the steps that are fewer than one an epoch.",
        why="A record that cannot be of one run makes it hard to say which snapshot a file is. "
        "A new optimizer in a later stage of training starts to count anew, and is in order.",
        remedy="Say beside the file how the training went, or correct the number.",
    ),
    Entry(
        code=Code.RATE_DISAGREES,
        title="learning rate does not go with the schedule",
        severity=Severity.WARNING,
        evidence="The optimizer's rates, the schedule's class by the names that it saves, its step "
        "and the rates that follow from it.",
        why="Optimizer and schedule of one run agree, unless somebody sets the rate by hand. A "
        "rate below 0, infinite or beyond 10 is nothing that training works with; a rate of 0 is "
        "information.",
        remedy="Check that both are of the same run before resuming from the file.",
    ),
    Entry(
        code=Code.RECORD_OF_TRAINING,
        title="file records how far it was trained",
        severity=Severity.INFO,
        evidence="Epoch, steps and batches as they stand, and their division: 1,346,328 = 69 × "
        "19,512, if every epoch had the same number of iterations.",
        why="It tells which snapshot of a run this is. How long the run was meant to be, no file "
        "says.",
        remedy="Nothing is to be done; compare the numbers with what the file's page says.",
    ),
    Entry(
        code=Code.DEVICE_RECORDED,
        title="tensors were saved from a GPU",
        severity=Severity.WARNING,
        evidence="The devices, with storages and elements of each.",
        why="torch.load puts a storage back on the device that it was saved from, and fails on a "
        "machine without it, unless the call says `map_location`. With an index above 0 it fails "
        "on most machines.",
        remedy="Save from the CPU: `{k: v.cpu() for k, v in model.state_dict().items()}`. Or tell "
        "those who load it to pass `map_location='cpu'`.",
    ),
    Entry(
        code=Code.PATH_RECORDED,
        title="absolute paths are recorded",
        severity=Severity.WARNING,
        evidence="The folder, examples of paths below it, and where they stand in the checkpoint.",
        why="They mean nothing on another machine, and tell how the author's is laid out. Folders "
        "that many machines have, such as `/usr/lib`, are information.",
        remedy="Leave the arguments of the training program out of the file, or keep paths in it "
        "relative to the project.",
    ),
    Entry(
        code=Code.USER_RECORDED,
        title="user is named",
        severity=Severity.WARNING,
        evidence="The name, and the home folder or the key that it was read from.",
        why="Whoever has the file learns an account's name, often a person's. Accounts that "
        "systems and services have are not told.",
        remedy="Save the checkpoint without it, if the name is not meant to be published.",
        silence="Where the author wants to be named.",
    ),
    Entry(
        code=Code.HOST_RECORDED,
        title="host or store of an inner network is named",
        severity=Severity.WARNING,
        evidence="The host, the address or the bucket, and where it stands.",
        why="It tells how an inner network is laid out, and helps nobody who has only the file.",
        remedy="Save the checkpoint without it.",
        silence="For buckets and servers that are public.",
    ),
    Entry(
        code=Code.CREDENTIAL_RECORDED,
        title="text looks like a secret",
        severity=Severity.ERROR,
        evidence="What it looks like, at most four characters of it, its length, and where it "
        "stands; never the whole.",
        why="Keys of services, private keys and passwords get into checkpoints with the arguments "
        "or the environment of the training program. Who has the file can use them.",
        remedy="Withdraw the secret with the service that gave it out, now: files that were "
        "public are copied. Then save the checkpoint without it.",
        silence="Where it has been withdrawn, or never was one; the form alone is judged.",
    ),
)
