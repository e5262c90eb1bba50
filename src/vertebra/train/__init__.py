"""Training: a recipe, pictures on the device, one cosine cycle after another, evaluation and checkpoints.

Import from the files themselves: ``vertebra.train.recipe``, ``.pixels``, ``.loop``.
"""
