"""How long networks take on this machine: measured on the real engines, stored, and predicted."""
