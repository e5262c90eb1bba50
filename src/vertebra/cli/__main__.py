"""``python -m vertebra.cli``."""

from vertebra.cli.main import main

main()
