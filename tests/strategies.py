"""Random valid trees and architectures, drawn along their shapes: what arch, costs, nn and onnx are tested on.

``architectures()`` fit any resolution from ``LEAST_RESOLUTION`` px; ``nodes(channels)`` any map; ``leaves()`` are
primitives with every field drawn, of which only the text forms are asked.
"""

from __future__ import annotations

from hypothesis import strategies as st

from vertebra.arch import (
    Act,
    AdaptivePool,
    Architecture,
    BasicResidual,
    Block,
    Bottleneck,
    Concat,
    Conv,
    ConvNeXtBlock,
    ConvNormAct,
    DenseLayer,
    DenseTransition,
    Dropout,
    Gate,
    GlobalPool,
    GlobalResponseNorm,
    Identity,
    Initialisation,
    InvertedResidual,
    LayerScale,
    Linear,
    LocalResponseNorm,
    MBConv,
    Node,
    Norm,
    NormActConv,
    PadChannels,
    PlainPair,
    Pool,
    PreactBasic,
    PreactBottleneck,
    Primitive,
    Rounding,
    SamePad,
    Seq,
    Side,
    SqueezeExcite,
    Stage,
    Sum,
    Tap,
    seq,
)
from vertebra.errors import VertebraError

LEAST_RESOLUTION = 33

FUNCTIONS = st.sampled_from(("relu", "relu6", "leaky_relu", "silu", "hard_swish", "tanh", "gelu", "mish", "identity"))
WIDTHS = st.sampled_from((4, 8, 12, 16, 24))
ODD = st.sampled_from((1, 3, 5))
SHARE = st.floats(0, 0.99, allow_subnormal=False)
acts = st.builds(Act, FUNCTIONS)
norms = st.one_of(
    st.just(Norm()),
    st.builds(Norm, st.just("batch"), st.floats(1e-6, 1e-2), SHARE),
    st.builds(Norm, st.just("group"), groups=st.integers(1, 40)),
    st.just(Norm("layer2d")),
)


def either(one: st.SearchStrategy[int]) -> st.SearchStrategy[int | tuple[int, int]]:
    """A number, or a pair for rows and columns."""
    return st.one_of(one, st.tuples(one, one))


@st.composite
def leaves(draw: st.DrawFn) -> Primitive:
    """A primitive with every field drawn; it need not fit any shape."""
    groups = draw(st.integers(1, 4))
    kernel = draw(st.integers(1, 7))
    return draw(
        st.one_of(
            st.builds(
                Conv,
                st.integers(1, 9).map(lambda n: n * groups),
                either(st.integers(1, 9)),
                either(st.integers(1, 4)),
                st.one_of(st.sampled_from(("half", "same")), either(st.integers(0, 5))),
                either(st.integers(1, 3)),
                st.just(groups),
                st.booleans(),
            ),
            norms,
            acts,
            st.builds(
                Pool,
                st.just("max"),
                st.just(kernel),
                either(st.integers(1, 4)),
                st.integers(0, kernel // 2),
                st.integers(1, 3),
                st.sampled_from(("floor", "ceil")),
            ),
            st.builds(Pool, st.sampled_from(("average", "padded_average")), st.just(kernel), either(st.integers(1, 4))),
            st.builds(GlobalPool, st.sampled_from(("average", "max"))),
            st.builds(AdaptivePool, either(st.integers(1, 9))),
            st.builds(LocalResponseNorm, st.integers(0, 4).map(lambda n: 2 * n + 1), st.floats(1e-6, 1)),
            st.builds(GlobalResponseNorm, st.floats(1e-9, 1e-2)),
            st.builds(Linear, st.integers(1, 99), st.booleans()),
            st.builds(PadChannels, st.integers(1, 99)),
            st.builds(SamePad, either(st.integers(1, 9)), either(st.integers(1, 4)), st.integers(1, 4)),
            st.builds(Dropout, SHARE),
            st.builds(LayerScale, st.floats(1e-9, 10)),
            st.just(Identity()),
            st.builds(Tap, st.from_regex(r"\A[A-Za-z0-9_]{1,9}\Z")),
        )
    )


def blocks(channels: int, stride: int = 1) -> st.SearchStrategy[Block]:
    """A block that takes maps of ``channels``."""
    groups = st.sampled_from([n for n in (1, 2, 4) if channels % n == 0])
    attention = st.one_of(st.none(), st.builds(SqueezeExcite, st.sampled_from((2, 4.0, 16))))
    wide = WIDTHS.map(lambda out: max(out, channels))
    choices: list[st.SearchStrategy[Block]] = [
        st.builds(ConvNormAct, WIDTHS, either(ODD), st.just(stride), norm=st.one_of(st.none(), norms), act=acts),
        st.builds(NormActConv, WIDTHS, ODD, st.just(stride), norms, acts),
        st.builds(PlainPair, WIDTHS, st.just(stride), ODD, norms, acts),
        st.builds(InvertedResidual, WIDTHS, st.just(stride), st.sampled_from((1, 2, 3.5, 6)), ODD, norms, acts),
        st.builds(
            MBConv,
            st.one_of(WIDTHS, st.just(channels)),
            st.just(stride),
            st.sampled_from((1, 3, 6)),
            ODD,
            st.sampled_from((0.25, 0.5)),
        ),
        st.builds(
            BasicResidual,
            WIDTHS,
            st.just(stride),
            attention=attention,
            shortcut=st.sampled_from(("projection", "pooled_projection")),
            norm=norms,
        ),
        st.builds(BasicResidual, wide, st.just(stride), shortcut=st.just("padding"), act=acts),
        st.builds(Bottleneck, WIDTHS.map(lambda out: 4 * out), st.just(stride), groups, attention=attention),
        st.builds(PreactBasic, st.one_of(WIDTHS, st.just(channels)), st.just(stride), attention=attention, norm=norms),
        st.builds(
            PreactBottleneck,
            WIDTHS.map(lambda out: 4 * out),
            st.just(stride),
            strided=st.sampled_from(("conv", "reduce")),
            norm=norms,
            act=acts,
        ),
    ]
    if stride == 1:
        choices.append(st.builds(DenseLayer, st.integers(1, 8), st.integers(1, 4), norms, acts))
        choices.append(st.builds(SqueezeExcite, layer=st.sampled_from(("linear", "conv"))))
        response = st.sampled_from((None, GlobalResponseNorm()))
        choices.append(
            st.builds(ConvNeXtBlock, ODD, st.sampled_from((1, 2.5, 4)), response=response, norm=norms, act=acts)
        )
    else:
        choices.append(st.builds(DenseTransition, st.floats(0.25, 1), norms, acts, st.just(stride)))
    return st.one_of(choices)


def keepers(channels: int) -> st.SearchStrategy[Node]:
    """Nodes that keep channels and extents."""
    groups = st.sampled_from([n for n in (1, 2, channels) if channels % n == 0])
    conv = st.builds(
        Conv,
        st.just(channels),
        either(ODD),
        padding=st.sampled_from(("half", "same")),
        dilation=st.integers(1, 2),
        groups=groups,
        bias=st.booleans(),
    )
    pool = st.builds(Pool, st.sampled_from(("max", "average", "padded_average")), st.just(3), st.just(1), st.just(1))
    spread = st.builds(Pool, st.just("average"), st.just(3), st.just(1), st.just(2), st.just(2))
    plain = st.sampled_from((Identity(), Dropout(0.1), LayerScale(0.5), SqueezeExcite(), InvertedResidual(channels)))
    energies = st.sampled_from((LocalResponseNorm(3, 0.1), GlobalResponseNorm()))
    return st.one_of(conv, pool, spread, norms, acts, plain, energies)


@st.composite
def nodes(draw: st.DrawFn, channels: int, levels: int = 2) -> Node:
    """A node of any make that takes maps of ``channels`` and keeps their extents."""
    kinds = ("keeper", "conv", "block") if levels == 0 else ("keeper", "block", "seq", "sum", "concat", "gate", "side")
    match draw(st.sampled_from(kinds)):
        case "keeper":
            return draw(keepers(channels))
        case "conv":
            return Conv(draw(WIDTHS), draw(ODD))
        case "block":
            return draw(blocks(channels))
        case "seq":
            return Seq(draw(_children(channels, levels, in_order=True)))
        case "sum":
            branches = draw(_children(channels, levels, in_order=False))
            out = draw(WIDTHS)
            return Sum(tuple((name, seq(inner=child, fit=Conv(out))) for name, child in branches))
        case "concat":
            return Concat((*draw(_children(channels, levels, in_order=False)), ("input", Identity())))
        case "side":
            inner = draw(nodes(channels, levels - 1))
            return Side((("beside", seq(inner=inner, pool=AdaptivePool(2), fc=Linear(3), tap=Tap("beside"))),))
        case _:
            inner = draw(nodes(channels, levels - 1))
            return Gate((("", seq(inner=inner, pool=GlobalPool(), fit=Conv(channels), act=Act("sigmoid"))),))


@st.composite
def _children(draw: st.DrawFn, channels: int, levels: int, *, in_order: bool) -> tuple[tuple[str, Node], ...]:
    """One to three named nodes; names differ from level to level, so that a nameless parent hides no clash."""
    children = []
    for index in range(draw(st.integers(1, 3))):
        node = draw(nodes(channels, levels - 1))
        children.append((draw(st.sampled_from((f"{'abc'[index]}{levels}", f"{levels}{index}"))), node))
        if in_order:
            channels = node.output((channels, LEAST_RESOLUTION, LEAST_RESOLUTION))[0]
    return tuple(children)


def _takes(block: Node, shape: tuple[int, ...]) -> bool:
    """Whether a second and a third copy fit behind the first (its groups may not divide the new channels)."""
    try:
        block.output(block.output(shape))
    except VertebraError:
        return False
    return True


@st.composite
def architectures(draw: st.DrawFn, classes: int | None = None) -> Architecture:
    """A whole network with one to three stages, from any block or tree, and a head with or without a classifier."""
    image = draw(st.sampled_from((1, 3, 4)))
    width = draw(WIDTHS)
    stem = draw(
        st.sampled_from(
            (
                ConvNormAct(width, 3, 2),
                seq(conv=Conv(width, 7, 2), norm=Norm(), act=Act(), pool=Pool("max", 3, 2, 1, rounding="ceil")),
                Conv(width, (3, 5), padding="same", bias=True),
            )
        )
    )
    shape = stem.output((image, LEAST_RESOLUTION, LEAST_RESOLUTION))
    stages = []
    for _ in range(draw(st.integers(1, 3))):
        entry = draw(st.one_of(st.none(), blocks(shape[0], 2))) if draw(st.booleans()) else None
        shape = shape if entry is None else entry.output(shape)
        stride = draw(st.integers(1, 2)) if entry is None else 1  # at most 32 in all, as LEAST_RESOLUTION bears
        block = draw(st.one_of(blocks(shape[0], stride), nodes(shape[0])))
        depth = draw(st.integers(1, 3)) if _takes(block, block.output(shape)) else 1
        stages.append(Stage(block, depth, entry))
        for _, node in Stage(block, depth).nodes():
            shape = node.output(shape)
    head: Node = seq(pool=GlobalPool(), dropout=Dropout(0.2), fc=Linear(classes or draw(st.integers(1, 20))))
    if classes is None:
        head = draw(st.sampled_from((head, Identity(), seq(act=Act(), pool=GlobalPool("max")))))
    return Architecture(
        name=draw(st.sampled_from(("drawn", "gezeichnet, größer", "δίκτυο"))),
        stem=stem,
        stages=tuple(stages),
        head=head,
        resolution=draw(st.integers(LEAST_RESOLUTION, 64)),
        channels=image,
        rounding=draw(st.sampled_from((Rounding(), Rounding(4, 0.0), Rounding(head_floor=1)))),
        initialisation=draw(st.sampled_from((Initialisation(), Initialisation("truncated_normal", "normal")))),
    )
