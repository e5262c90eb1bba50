"""How torchvision and timm name the tensors of MobileNet, MnasNet and EfficientNet.

timm calls a block without expansion "depthwise separable", so that its batch norms count from the depthwise one.
"""

from __future__ import annotations

from vertebra.zoo.keys import KeyMap, Rule

Names = tuple[Rule, ...]
"""Names within a block or at the top: (ours, theirs)."""


def within(ours: str, theirs: str, names: Names) -> tuple[Rule, ...]:
    """The rules of names that stand below ``ours`` here and below ``theirs`` there."""
    return tuple((f"{ours}.{mine}", f"{theirs}.{other}") for mine, other in names)


_TIMM_ATTENTION: Names = (("attention.reduce", "se.conv_reduce"), ("attention.expand", "se.conv_expand"))

TIMM_SEPARABLE: Names = (
    ("depthwise.conv", "conv_dw"),
    ("depthwise.norm", "bn1"),
    *_TIMM_ATTENTION,
    ("pointwise.conv", "conv_pw"),
    ("pointwise.norm", "bn2"),
    ("project.conv", "conv_pw"),
    ("project.norm", "bn2"),
)
TIMM_INVERTED: Names = (
    ("expand.conv", "conv_pw"),
    ("expand.norm", "bn1"),
    ("depthwise.conv", "conv_dw"),
    ("depthwise.norm", "bn2"),
    *_TIMM_ATTENTION,
    ("project.conv", "conv_pwl"),
    ("project.norm", "bn3"),
)
TIMM_FUSED: Names = (
    ("fused.conv", "conv_exp"),
    ("fused.norm", "bn1"),
    ("project.conv", "conv_pwl"),
    ("project.norm", "bn2"),
)
TIMM_FUSED_UNEXPANDED: Names = (("fused.conv", "conv"), ("fused.norm", "bn1"))
TIMM_CONV: Names = (("conv", "conv"), ("norm", "bn1"))
TIMM_ENDS: Names = (
    ("stem.conv", "conv_stem"),
    ("stem.norm", "bn1"),
    ("conv.conv", "conv_head"),
    ("conv.norm", "bn2"),
    ("hidden", "conv_head"),
    ("fc", "classifier"),
)

_TIMM_STAGES = ("stages.{s}.{b}", "blocks.{s}.{b}")
TIMM_V1 = KeyMap((*TIMM_ENDS, *within(*_TIMM_STAGES, TIMM_SEPARABLE)))
TIMM = KeyMap(
    (*TIMM_ENDS, *within("stages.0.{b}", "blocks.0.{b}", TIMM_SEPARABLE), *within(*_TIMM_STAGES, TIMM_INVERTED))
)
"""MobileNetV2, MnasNet, EfficientNet: inverted residuals after a first stage without expansion."""
TIMM_FUSED_FIRST = KeyMap(
    (
        *TIMM_ENDS,
        *within("stages.0.{b}", "blocks.0.{b}", TIMM_FUSED_UNEXPANDED),
        *within("stages.1.{b}", "blocks.1.{b}", TIMM_FUSED),
        *within("stages.2.{b}", "blocks.2.{b}", TIMM_FUSED),
        *within(*_TIMM_STAGES, TIMM_INVERTED),
    )
)
"""EfficientNetV2: three fused stages, the first without expansion."""

TORCHVISION_BLOCK: Names = (
    *((f"{child}.conv", "{i}.0") for child in ("expand", "depthwise", "fused", "project")),
    *((f"{child}.norm", "{i}.1") for child in ("expand", "depthwise", "fused", "project")),
    ("attention.reduce", "{i}.fc1"),
    ("attention.expand", "{i}.fc2"),
)
TORCHVISION_STEM: Names = (("stem.conv", "features.0.0"), ("stem.norm", "features.0.1"))

TORCHVISION_MOBILENET_V2 = KeyMap(
    (
        *TORCHVISION_STEM,
        ("stages.{s}.{b}.project.conv", "features.{n+1}.conv.{i}"),
        ("stages.{s}.{b}.project.norm", "features.{n+1}.conv.{i+1}"),
        *within("stages.{s}.{b}", "features.{n+1}.conv", TORCHVISION_BLOCK),
        ("conv.conv", "features.{n+1}.0"),
        ("conv.norm", "features.{n+1}.1"),
        ("fc", "classifier.1"),
    )
)
TORCHVISION_MOBILENET_V3 = KeyMap(
    (
        *TORCHVISION_STEM,
        ("stages.{s}.{b}.conv", "features.{n+1}.0"),
        ("stages.{s}.{b}.norm", "features.{n+1}.1"),
        *within("stages.{s}.{b}", "features.{n+1}.block", TORCHVISION_BLOCK),
        ("hidden", "classifier.0"),
        ("fc", "classifier.3"),
    )
)
TORCHVISION_MNASNET = KeyMap(
    (
        ("stem.conv", "layers.0"),
        ("stem.norm", "layers.1"),
        ("stages.0.0.depthwise.conv", "layers.3"),
        ("stages.0.0.depthwise.norm", "layers.4"),
        ("stages.0.0.pointwise.conv", "layers.6"),
        ("stages.0.0.pointwise.norm", "layers.7"),
        *within(
            "stages.{s}.{b}",
            "layers.{s+7}.{b}.layers",
            (
                ("expand.conv", "0"),
                ("expand.norm", "1"),
                ("depthwise.conv", "3"),
                ("depthwise.norm", "4"),
                ("project.conv", "6"),
                ("project.norm", "7"),
            ),
        ),
        ("conv.conv", "layers.14"),
        ("conv.norm", "layers.15"),
        ("fc", "classifier.1"),
    )
)


def torchvision_efficientnet(stages: int) -> KeyMap:
    """torchvision's names of an EfficientNet of so many stages."""
    return KeyMap(
        (
            *TORCHVISION_STEM,
            *within("stages.{s}.{b}", "features.{s+1}.{b}.block", TORCHVISION_BLOCK),
            ("conv.conv", f"features.{stages + 1}.0"),
            ("conv.norm", f"features.{stages + 1}.1"),
            ("fc", "classifier.1"),
        )
    )
