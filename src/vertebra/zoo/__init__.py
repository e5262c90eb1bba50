"""The zoo: a table a family, and the registry over them."""

from vertebra.zoo.alexnets import alexnet
from vertebra.zoo.cifar_resnets import cifar_plain, cifar_resnet
from vertebra.zoo.convnexts import convnext
from vertebra.zoo.densenets import cifar_densenet, densenet
from vertebra.zoo.efficientnets import efficientnet
from vertebra.zoo.efficientnets_lite import efficientnet_lite
from vertebra.zoo.efficientnets_v2 import efficientnet_v2
from vertebra.zoo.entry import Accuracy, Entry, Family
from vertebra.zoo.inceptions import googlenet, inception_v3
from vertebra.zoo.mnasnets import mnasnet
from vertebra.zoo.mobilenets_v1 import mobilenet_v1
from vertebra.zoo.mobilenets_v2 import mobilenet_v2, mobilenet_v2_deep
from vertebra.zoo.mobilenets_v3 import mobilenet_v3
from vertebra.zoo.registry import architecture, entry, families, names
from vertebra.zoo.resnets import resnet
from vertebra.zoo.resnets_d import resnet_d
from vertebra.zoo.resnets_v2 import cifar_resnet_v2, resnet_v2
from vertebra.zoo.resnexts import resnext
from vertebra.zoo.senets import seresnet
from vertebra.zoo.vggs import vgg
from vertebra.zoo.wide_resnets import cifar_wide_resnet, wide_resnet

__all__ = [
    "Accuracy",
    "Entry",
    "Family",
    "alexnet",
    "architecture",
    "cifar_densenet",
    "cifar_plain",
    "cifar_resnet",
    "cifar_resnet_v2",
    "cifar_wide_resnet",
    "convnext",
    "densenet",
    "efficientnet",
    "efficientnet_lite",
    "efficientnet_v2",
    "entry",
    "families",
    "googlenet",
    "inception_v3",
    "mnasnet",
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v2_deep",
    "mobilenet_v3",
    "names",
    "resnet",
    "resnet_d",
    "resnet_v2",
    "resnext",
    "seresnet",
    "vgg",
    "wide_resnet",
]
