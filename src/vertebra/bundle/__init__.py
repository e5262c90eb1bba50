"""The bundle: the folder that is shipped.  Written whole or not at all, verified by hashes, used without torch."""
