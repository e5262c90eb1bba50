"""Blocks of parallel branches: GoogLeNet's module, the five of Inception v3, and their auxiliary classifiers."""

from __future__ import annotations

from functools import partial

from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.combinators import Concat, concat, seq
from vertebra.arch.node import Block, Node
from vertebra.arch.primitives import Act, AdaptivePool, Dropout, GlobalPool, Linear, Norm, Pool
from vertebra.arch.record import Channels, Fraction, Kernel, Positive

NORM = Norm(eps=1e-3)
"""The norm of the authors' code of Inception, and of torchvision's GoogLeNet."""


class Inception(Block, frozen=True):
    """Four branches over one input (Szegedy et al. 2015, figure 2b; the fields are the columns of table 1).

    ::

        x -+-> 1x1 (one) ---------------------------------+
           +-> reduce 1x1 (reduce3) -> conv 3x3 (three) --+-> concat -> out
           +-> reduce 1x1 (reduce5) -> conv kxk (five) ---+
           +-> max pool 3x3/1 -> project 1x1 (pool) ------+

    ``kernel`` is that of the third branch: 5 in the paper, 3 in TensorFlow's and torchvision's code.  The paper has no
    norm.
    """

    one: Channels
    reduce3: Channels
    three: Channels
    reduce5: Channels
    five: Channels
    pool: Channels
    kernel: Kernel = 5
    norm: Norm | None = None
    act: Act = Act()

    def layers(self, channels: int) -> Node:
        conv = partial(ConvNormAct, norm=self.norm, act=self.act)
        return concat(
            branch1x1=conv(self.one),
            branch3x3=seq(reduce=conv(self.reduce3), conv=conv(self.three, 3)),
            branch_wide=seq(reduce=conv(self.reduce5), conv=conv(self.five, self.kernel)),
            branch_pool=seq(pool=Pool("max", 3, 1, 1), project=conv(self.pool)),
        )


class InceptionA(Block, frozen=True):
    """Two 3x3 convolutions see what one 5x5 does (Szegedy et al. 2016, figure 5; 35x35 maps).

    ::

        x -+-> 1x1 (one) ------------------------------------------------------------+
           +-> reduce 1x1 (reduce5) -> conv 5x5 (five) ------------------------------+-> concat -> out
           +-> reduce 1x1 (reduce3) -> conv1 3x3 (three) -> conv2 3x3 (three) -------+
           +-> average pool 3x3/1 -> project 1x1 (pool) -----------------------------+

    The second branch is a 5x5 convolution in the authors' code, a 3x3 in the figure.
    """

    pool: Channels
    one: Channels = 64
    reduce5: Channels = 48
    five: Channels = 64
    reduce3: Channels = 64
    three: Channels = 96
    norm: Norm = NORM
    act: Act = Act()

    def layers(self, channels: int) -> Node:
        conv = partial(ConvNormAct, norm=self.norm, act=self.act)
        return concat(
            branch1x1=conv(self.one),
            branch5x5=seq(reduce=conv(self.reduce5), conv=conv(self.five, 5)),
            branch_double=seq(reduce=conv(self.reduce3), conv1=conv(self.three, 3), conv2=conv(self.three, 3)),
            branch_pool=_projected(conv(self.pool)),
        )


class InceptionB(Block, frozen=True):
    """Half the size without a bottleneck: convolutions beside a pool (Szegedy et al. 2016, figure 10; 35x35 to 17x17).

    ::

        x -+-> conv 3x3/s (three) ---------------------------------------+
           +-> reduce 1x1 (reduce) -> conv1 3x3 -> conv2 3x3/s (double) -+-> concat -> out
           +-> max pool 3x3/s -------------------------------------------+

    What is strided has no padding.
    """

    three: Channels = 384
    reduce: Channels = 64
    double: Channels = 96
    stride: Positive = 2
    norm: Norm = NORM
    act: Act = Act()

    def layers(self, channels: int) -> Node:
        conv = partial(ConvNormAct, norm=self.norm, act=self.act)
        strided = partial(conv, kernel=3, stride=self.stride, padding=0)
        return concat(
            branch3x3=strided(self.three),
            branch_double=seq(reduce=conv(self.reduce), conv1=conv(self.double, 3), conv2=strided(self.double)),
            branch_pool=Pool("max", 3, self.stride),
        )


class InceptionC(Block, frozen=True):
    """A 7x7 convolution as a row of 7 and a column of 7 (Szegedy et al. 2016, figure 6; 17x17 maps).

    ::

        x -+-> 1x1 (out) -----------------------------------------------------------------+
           +-> reduce 1x1 -> row 1x7 -> column 7x1 (out) ---------------------------------+-> concat -> 4 * out
           +-> reduce 1x1 -> column1 7x1 -> row1 1x7 -> column2 7x1 -> row2 1x7 (out) ----+
           +-> average pool 3x3/1 -> project 1x1 (out) -----------------------------------+

    ``middle`` is the width within the two factorised branches.
    """

    middle: Channels
    out: Channels = 192
    kernel: Positive = 7
    norm: Norm = NORM
    act: Act = Act()

    def layers(self, channels: int) -> Node:
        conv = partial(ConvNormAct, norm=self.norm, act=self.act)
        row, column = partial(conv, kernel=(1, self.kernel)), partial(conv, kernel=(self.kernel, 1))
        return concat(
            branch1x1=conv(self.out),
            branch7x7=seq(reduce=conv(self.middle), row=row(self.middle), column=column(self.out)),
            branch_double=seq(
                reduce=conv(self.middle),
                column1=column(self.middle),
                row1=row(self.middle),
                column2=column(self.middle),
                row2=row(self.out),
            ),
            branch_pool=_projected(conv(self.out)),
        )


class InceptionD(Block, frozen=True):
    """Half the size again, with a factorised 7x7 (the authors' code; 17x17 to 8x8).

    ::

        x -+-> reduce 1x1 -> conv 3x3/s (three) ------------------------------------+
           +-> reduce 1x1 -> row 1x7 -> column 7x1 -> conv 3x3/s (reduce) ----------+-> concat -> out
           +-> max pool 3x3/s ------------------------------------------------------+

    What is strided has no padding.
    """

    reduce: Channels = 192
    three: Channels = 320
    kernel: Positive = 7
    stride: Positive = 2
    norm: Norm = NORM
    act: Act = Act()

    def layers(self, channels: int) -> Node:
        conv = partial(ConvNormAct, norm=self.norm, act=self.act)
        strided = partial(conv, kernel=3, stride=self.stride, padding=0)
        return concat(
            branch3x3=seq(reduce=conv(self.reduce), conv=strided(self.three)),
            branch7x7=seq(
                reduce=conv(self.reduce),
                row=conv(self.reduce, (1, self.kernel)),
                column=conv(self.reduce, (self.kernel, 1)),
                conv=strided(self.reduce),
            ),
            branch_pool=Pool("max", 3, self.stride),
        )


class InceptionE(Block, frozen=True):
    """A row of 3 beside a column of 3: many channels on the coarsest maps (Szegedy et al. 2016, figure 7; 8x8 maps).

    ::

        x -+-> 1x1 (one) -------------------------------------------------------+
           +-> reduce 1x1 (half) -+-> row 1x3 (half) ---------------------------+
           |                      +-> column 3x1 (half) ------------------------+-> concat -> one + 4 * half + pool
           +-> reduce 1x1 -> conv 3x3 (half) -+-> row 1x3 (half) ---------------+
           |                                  +-> column 3x1 (half) ------------+
           +-> average pool 3x3/1 -> project 1x1 (pool) ------------------------+
    """

    one: Channels = 320
    half: Channels = 384
    reduce: Channels = 448
    pool: Channels = 192
    norm: Norm = NORM
    act: Act = Act()

    def layers(self, channels: int) -> Node:
        conv = partial(ConvNormAct, norm=self.norm, act=self.act)
        fork = Concat((("row", conv(self.half, (1, 3))), ("column", conv(self.half, (3, 1)))))
        return concat(
            branch1x1=conv(self.one),
            branch3x3=seq(reduce=conv(self.half), fork=fork),
            branch_double=seq(reduce=conv(self.reduce), conv=conv(self.half, 3), fork=fork),
            branch_pool=_projected(conv(self.pool)),
        )


class AuxiliaryDense(Block, frozen=True):
    """GoogLeNet's auxiliary classifier (Szegedy et al. 2015, section 5).

    ::

        x -> pool to 4x4 -> reduce 1x1 -> fc1 -> act -> dropout -> fc -> (classes,)

    The paper pools windows of 5x5 with stride 3, which leaves 4x4 of its 14x14 maps; here 4x4 is left of any map.
    """

    classes: Positive = 1000
    reduce: Channels = 128
    hidden: Channels = 1024
    dropout: Fraction = 0.7
    norm: Norm | None = NORM
    act: Act = Act()

    def layers(self, channels: int) -> Node:
        return seq(
            pool=AdaptivePool(4),
            reduce=ConvNormAct(self.reduce, norm=self.norm, act=self.act),
            fc1=Linear(self.hidden),
            act=self.act,
            dropout=Dropout(self.dropout),
            fc=Linear(self.classes),
        )


class AuxiliaryConv(Block, frozen=True):
    """Inception v3's auxiliary classifier (Szegedy et al. 2016, figure 8; widths of the authors' code).

    ::

        x -> average pool 5x5/3 -> reduce 1x1 -> conv 5x5 -> global pool -> fc -> (classes,)

    The convolution has no padding, so the map that arrives needs at least 17 rows and columns.
    """

    classes: Positive = 1000
    reduce: Channels = 128
    hidden: Channels = 768
    norm: Norm = NORM
    act: Act = Act()

    def layers(self, channels: int) -> Node:
        conv = partial(ConvNormAct, norm=self.norm, act=self.act)
        return seq(
            pool=Pool("average", 5, 3),
            reduce=conv(self.reduce),
            conv=conv(self.hidden, 5, padding=0),
            average=GlobalPool(),
            fc=Linear(self.classes),
        )


def _projected(conv: ConvNormAct) -> Node:
    """A convolution of the mean of nine, which counts the zeros of the border."""
    return seq(pool=Pool("padded_average", 3, 1, 1), project=conv)
