"""Codes about values (`VAL`)."""

from ckptscope.checks.catalogue.entry import Entry
from ckptscope.facts.findings import Code, Severity

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code=Code.VALUES_NAN,
        title="tensor holds NaN",
        severity=Severity.ERROR,
        evidence="The tensor, how many of its elements are NaN and which share.",
        why="One NaN in a weight makes NaN of everything that depends on it: outputs are NaN, or, "
        "behind a maximum or a comparison, silently wrong. It is left by a training step that "
        "diverged or overflowed, or by damage to the file.",
        remedy="Go back to the last checkpoint without NaN. Check the loss scale, the learning "
        "rate and divisions by zero of the steps between.",
        silence="Where NaN marks missing values, as in tables of targets: waive it for that key.",
    ),
    Entry(
        code=Code.VALUES_INFINITE,
        title="tensor holds infinite numbers",
        severity=Severity.ERROR,
        evidence="The tensor, how many of its elements are infinite and which share.",
        why="An infinite weight makes infinite or NaN outputs. It is left by a step that diverged, "
        "or by a conversion to a smaller dtype: in float16 everything above 65,504 is infinite. "
        "Masks of zeros and minus infinity, and ranges and best losses that have seen nothing "
        "yet, are not counted.",
        remedy="Convert again from the wider dtype, with the value scaled or kept in float32 or "
        "bfloat16; or go back to an earlier checkpoint.",
    ),
    Entry(
        code=Code.VALUES_ZERO,
        title="weight is all zero",
        severity=Severity.WARNING,
        evidence="The tensor and its shape.",
        why="Its layer passes nothing on but its bias. A layer that was never trained, was loaded "
        "from nothing, or was masked away. Biases, buffers, masks and single numbers are not "
        "counted: zero is an ordinary start for them. Told for information where neither the name "
        "nor anything else says that it is a weight and no buffer.",
        remedy="If the layer was meant to be trained, see whether the optimizer had it and whether "
        "its weights were copied. If it is not used, leave it out of the file.",
        silence="Layers that start at zero on purpose (zero-initialised projections, LoRA's second "
        "matrix) are all zero until they are trained: waive it by key.",
    ),
    Entry(
        code=Code.VALUES_CONSTANT,
        title="weight holds one number throughout",
        severity=Severity.WARNING,
        evidence="The tensor, its shape and the number.",
        why="All channels of the layer do the same. No training leaves that; it is a placeholder, "
        "a fixed filter, or a weight whose values were lost when it was converted. Told for "
        "information where neither the name nor anything else says that it is a weight.",
        remedy="See where the weight was made. Fixed filters are better saved as buffers, which "
        "are not counted.",
        silence="For fixed filters such as averages, by key.",
    ),
    Entry(
        code=Code.VALUES_DENORMAL,
        title="tensor holds many denormal numbers",
        severity=Severity.INFO,
        evidence="The tensor, how many of its elements are below the normal numbers of their dtype "
        "(1.2e-38 for float32) and which share.",
        why="They are zero to any result, and slow: processors take many times longer for them, "
        "and devices that flush them to zero give other last digits. Weights decay to them where "
        "no gradient holds them, so the channels behind them are as good as dead. float16 and "
        "float8 are not counted, whose ordinary small numbers are denormal.",
        remedy="Set what is below 1e-30 to zero, or call torch.set_flush_denormal(True) where the "
        "network runs on a CPU.",
    ),
    Entry(
        code=Code.CHANNELS_DEAD,
        title="channels of a weight are all zero",
        severity=Severity.WARNING,
        evidence="The tensor, how many of its channels are zero and which; whether their bias is "
        "zero, too.",
        why="These outputs say the same whatever the input is; of transposed convolutions, whose "
        "first dimension is the input, these inputs are not looked at. Channels that were pruned "
        "cost as much time and memory as before until they are cut out. Less than a tenth of a "
        "layer is told for information, and so is what may be no weight by its name.",
        remedy="If they were pruned, cut them out of this layer and the next. If not, see why they "
        "died: learning rate, weight decay, a bias that shut them off.",
        silence="Bases that vanish in places (Fourier transforms), padding rows: waive it by key.",
    ),
    Entry(
        code=Code.FILTERS_DUPLICATE,
        title="filters of a layer are equal bit by bit",
        severity=Severity.WARNING,
        evidence="The tensor, how many filters equal an earlier one, and which.",
        why="They compute the same and are updated alike, so they stay equal: the layer is as wide "
        "as its distinct filters. Weights that were copied to widen a layer, or started without "
        "randomness, look like this. Layers whose filters are all equal are fixed ones and are "
        "not counted. Less than a tenth of a layer is told for information, and so is what may be "
        "no weight by its name.",
        remedy="Start widened layers from copies with a little noise; or keep one filter of each.",
        silence="Rows of an embedding that no training text used may be equal: waive it by key.",
    ),
    Entry(
        code=Code.VARIANCE_NOT_POSITIVE,
        title="running variance is negative, or zero",
        severity=Severity.ERROR,
        evidence="The tensor, its least value, or the channels where it is zero.",
        why="The norm divides by the root of it: a negative one gives NaN in eval mode, and is "
        "left by damage, a conversion, or averaging with weights that are none. Zero, which is a "
        "warning, multiplies what the channel gets by 316 (with eps 1e-5), and means that its "
        "input never changed; where the scale of the channel is zero, too, nothing comes of it, "
        "and it is told for information.",
        remedy="Gather the statistics anew: a few hundred batches in train mode without gradients.",
    ),
    Entry(
        code=Code.STATISTICS_UNTOUCHED,
        title="running statistics are those of an untrained norm",
        severity=Severity.WARNING,
        evidence="The tensor, mean 0 and variance 1 throughout, and how many batches were counted.",
        why="No batch has gone through this norm in train mode, or its statistics were reset: in "
        "eval mode it normalises nothing. Networks that were trained otherwise give wrong outputs "
        "then; where nothing else is trained, the file is an untrained network.",
        remedy="Train it, or gather the statistics: a few hundred batches in train mode without "
        "gradients. If the layer is not used, leave it out.",
        silence="For networks that are published untrained, and norms that a conversion made "
        "neutral on purpose.",
    ),
    Entry(
        code=Code.MAGNITUDE_OUTLIER,
        title="weight is far larger or smaller than its siblings",
        severity=Severity.WARNING,
        evidence="The tensor, how many times it differs from the median of its siblings, its "
        "deviation, least and greatest value, and how many siblings there are.",
        why="Weights of as many dimensions in one network, scaled by the root of their fan-in, "
        "seldom differ more than thirty times. A layer that runs away, one that decayed to "
        "nothing, or one that was scaled twice stands out. Up to a thousand times it is told for "
        "information: heads of detectors differ as much. Rows of embeddings, which are not summed, "
        "are not scaled.",
        remedy="Look at the layer's gradient and at its learning rate; after a conversion compare "
        "it with the original.",
    ),
    Entry(
        code=Code.VALUES_SPARSE,
        title="weight holds many exact zeros",
        severity=Severity.INFO,
        evidence="The tensor, how many of its elements are zero and which share.",
        why="A tenth and more of exact zeros was put there: the weight was pruned, masked, or is "
        "triangular. A dense layer is none the faster for it.",
        remedy="Say it in the model card. Formats that save zeros only once make the file smaller.",
    ),
    Entry(
        code=Code.NEAR_OVERFLOW,
        title="float16 values are near the largest that there is",
        severity=Severity.WARNING,
        evidence="The tensor, how many of its elements are beyond 32,752, the least and the "
        "greatest.",
        why="float16 ends at 65,504. A weight that is half of that makes the product with an "
        "activation of two infinite. It comes of a conversion from float32 or bfloat16, which "
        "reach further.",
        remedy="Publish the tensor in bfloat16 or float32, or scale it down and its input up.",
    ),
    Entry(
        code=Code.STORAGE_SHARED,
        title="tensors share a storage",
        severity=Severity.WARNING,
        evidence="The names of the tensors, and the storage where they overlap in part.",
        why="The same tensor under two names is a tied weight, and told for information: who loads "
        "it must tie it again, or the two drift apart. Tensors that overlap in part are views of "
        "each other that were saved as if they were their own; changing one changes the other.",
        remedy="Save views as copies: tensor.clone(). For tied weights say in the loading code "
        "which name is the original.",
        silence="Where both names belong to the network's definition: it is information only.",
    ),
    Entry(
        code=Code.MOMENT_NEGATIVE,
        title="optimizer's average of squares is negative",
        severity=Severity.ERROR,
        evidence="The tensor and its least value.",
        why="Squares have no negative average: the state is damaged or was converted wrongly, and "
        "the next step takes the root of it, which is NaN.",
        remedy="Do not resume from this state: take an earlier one, or start the optimizer anew.",
    ),
    Entry(
        code=Code.VALUES_UNREAD,
        title="values could not be read",
        severity=Severity.WARNING,
        evidence="The tensor and the reason.",
        why="Nothing is said of its values, so they are not known to be sound. Tensors of the meta "
        "device have none; of some dtypes (complex32, packed quantized ones) they cannot be read; "
        "else the storage is damaged or missing.",
        remedy="Save the tensor in a dtype that numpy has, with its values; if the file is "
        "damaged, get it again.",
        undecided=True,
    ),
)
