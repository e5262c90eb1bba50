"""The command line: one file a verb or a group of them; no logic, only wiring."""
