"""Classes of torch and Python that whole pickled objects name, by the rule of `harmless`.

Enters: a module and a name. Leaves: whether it is one of them. Imported only for files that name
what `harmless.HARMLESS` does not list.

Layers, optimizers and schedules keep what they are given in attributes; their `__setstate__` fill
in attributes that older versions lacked. A callable among the arguments has a name of its own. What
is known is the class: its methods are names of their own, and are not known by it.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LAYERS = _words(
    "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveLogSoftmaxWithLoss "
    "AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d AlphaDropout AvgPool1d AvgPool2d "
    "AvgPool3d BCELoss BCEWithLogitsLoss BatchNorm1d BatchNorm2d BatchNorm3d Bilinear CELU CTCLoss "
    "ChannelShuffle CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d "
    "ConstantPad3d Container Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d "
    "CosineEmbeddingLoss CosineSimilarity CrossEntropyLoss CrossMapLRN2d Dropout Dropout1d "
    "Dropout2d Dropout3d ELU Embedding EmbeddingBag FeatureAlphaDropout Flatten Fold "
    "FractionalMaxPool2d FractionalMaxPool3d GELU GLU GRU GRUCell GaussianNLLLoss GroupNorm "
    "Hardshrink Hardsigmoid Hardswish Hardtanh HingeEmbeddingLoss HuberLoss Identity "
    "InstanceNorm1d InstanceNorm2d InstanceNorm3d KLDivLoss L1Loss LPPool1d LPPool2d LPPool3d LSTM "
    "LSTMCell LayerNorm LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d LazyConv1d LazyConv2d "
    "LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d LazyInstanceNorm1d "
    "LazyInstanceNorm2d LazyInstanceNorm3d LazyLinear LeakyReLU Linear LocalResponseNorm "
    "LogSigmoid LogSoftmax MSELoss MarginRankingLoss MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d "
    "MaxUnpool2d MaxUnpool3d Mish Module ModuleDict ModuleList MultiLabelMarginLoss "
    "MultiLabelSoftMarginLoss MultiMarginLoss MultiheadAttention NLLLoss NLLLoss2d "
    "NonDynamicallyQuantizableLinear PReLU PairwiseDistance ParameterDict ParameterList "
    "PixelShuffle PixelUnshuffle PoissonNLLLoss RMSNorm RNN RNNBase RNNCell RNNCellBase RReLU ReLU "
    "ReLU6 ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d "
    "ReplicationPad3d SELU Sequential SiLU Sigmoid SmoothL1Loss SoftMarginLoss Softmax Softmax2d "
    "Softmin Softplus Softshrink Softsign SyncBatchNorm Tanh Tanhshrink Threshold Transformer "
    "TransformerDecoder TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer "
    "TripletMarginLoss TripletMarginWithDistanceLoss Unflatten Unfold Upsample "
    "UpsamplingBilinear2d UpsamplingNearest2d ZeroPad1d ZeroPad2d ZeroPad3d"
)
_OPTIMIZERS = _words(
    "ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax LBFGS Muon NAdam Optimizer RAdam RMSprop "
    "Rprop SGD SparseAdam"
)
_SCHEDULES = _words(
    "LambdaLR MultiplicativeLR StepLR MultiStepLR ConstantLR LinearLR ExponentialLR SequentialLR "
    "CosineAnnealingLR ChainedScheduler ReduceLROnPlateau CyclicLR CosineAnnealingWarmRestarts "
    "OneCycleLR PolynomialLR LRScheduler _LRScheduler"
)
#: What a distributed checkpoint says of itself: data classes and an enumeration.
_DISTRIBUTED = {
    "torch.distributed.checkpoint.metadata": _words(
        "Metadata TensorStorageMetadata BytesStorageMetadata StorageMeta MetadataIndex "
        "ChunkStorageMetadata TensorProperties _MEM_FORMAT_ENCODING"
    ),
    "torch.distributed.checkpoint.filesystem": _words(
        "_StorageInfo _StoragePrefix SerializationFormat"
    ),
    "torch.distributed.checkpoint.planner": _words(
        "WriteItemType LoadItemType BytesIOWriteData TensorWriteData WriteItem ReadItem"
    ),
}
#: Where a sharded tensor lies: values without methods that act.
_PLACEMENTS = _words("Shard _StridedShard Replicate Partial _Partial")
_PLACEMENT_MODULES = _words(
    "torch.distributed.tensor.placement_types torch.distributed._tensor.placement_types"
)
#: Functions of tensors that layers keep as their activation.
_ACTIVATIONS = _words(
    "relu relu_ gelu silu mish elu elu_ selu celu glu leaky_relu leaky_relu_ prelu rrelu relu6 "
    "hardtanh hardtanh_ hardswish hardsigmoid logsigmoid log_sigmoid softplus softmax log_softmax "
    "tanh sigmoid tanhshrink softsign"
)
_OTHERS = {
    "torch.nn": _LAYERS,
    "torch.nn.parallel": frozenset(("DataParallel", "DistributedDataParallel")),
    "torch.nn.parallel.data_parallel": frozenset(("DataParallel",)),
    "torch.nn.parallel.distributed": frozenset(("DistributedDataParallel",)),
    # A table of functions that versions before 1.0 hung on each module.
    "torch.nn.backends.thnn": frozenset(("_get_thnn_function_backend",)),
    "torch.nn.functional": _ACTIVATIONS,
    "torch._C._nn": _ACTIVATIONS,
    # What hangs a hook on a tensor: a number and a reference.
    "torch.utils.hooks": frozenset(("RemovableHandle",)),
    # Values in the pickles of TorchScript, which torch's own reader makes.
    "torch.jit._pickle": _words(
        "build_intlist build_tensorlist build_doublelist build_boollist build_tensor_from_id "
        "restore_type_tag"
    ),
    "torch.optim": _OPTIMIZERS,
    "torch.optim.lr_scheduler": _SCHEDULES,
    "torch.optim.swa_utils": frozenset(("AveragedModel", "SWALR")),
}
#: Exceptions hold their arguments; the modules are those of Python 3 and 2.
_EXCEPTION_MODULES = ("builtins", "exceptions")
_EXCEPTIONS = _words(
    "BaseException BaseExceptionGroup Exception ExceptionGroup StandardError StopIteration "
    "StopAsyncIteration KeyboardInterrupt SystemExit GeneratorExit Warning"
)
_EXCEPTION_ENDINGS = ("Error", "Warning")
#: Modules of torch.nn whose classes are layers; older versions had some of them elsewhere.
_LAYER_MODULES = "torch.nn.modules."
_OPTIMIZER_MODULES = "torch.optim."
#: Classes of a TorchScript archive's own code. Python cannot import them; torch's own reader finds
#: them among the archive's members, which are listed as code.
_SCRIPT = "__torch__"


def is_harmless_class(module: str, name: str) -> bool:
    """Return whether a name is a class of torch or Python that only holds what it is given."""
    if module.startswith(_LAYER_MODULES):
        return name in _LAYERS
    if name in _OTHERS.get(module, ()):
        return True
    if module.startswith("torch.distributed."):
        return name in _DISTRIBUTED.get(module, ()) or (
            name in _PLACEMENTS and module in _PLACEMENT_MODULES
        )
    if module.startswith(_OPTIMIZER_MODULES):
        return name in _OPTIMIZERS
    if module in _EXCEPTION_MODULES:
        return name in _EXCEPTIONS or name.endswith(_EXCEPTION_ENDINGS)
    return (module == _SCRIPT or module.startswith(f"{_SCRIPT}.")) and "." not in name
