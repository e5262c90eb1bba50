"""The zoo: a table a family, and the registry over them."""

from vertebra.zoo.cifar_resnets import cifar_plain, cifar_resnet
from vertebra.zoo.densenets import densenet
from vertebra.zoo.efficientnets import efficientnet
from vertebra.zoo.entry import Accuracy, Entry, Family
from vertebra.zoo.mobilenets import mobilenet_v2
from vertebra.zoo.registry import architecture, entry, families, names
from vertebra.zoo.resnets import resnet

__all__ = [
    "Accuracy",
    "Entry",
    "Family",
    "architecture",
    "cifar_plain",
    "cifar_resnet",
    "densenet",
    "efficientnet",
    "entry",
    "families",
    "mobilenet_v2",
    "names",
    "resnet",
]
