"""What this machine is: the first line of any measurement."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import msgspec

from vertebra.data.threads import cores

CPUINFO = Path("/proc/cpuinfo")

INSTRUCTION_SETS = (
    "sse4_2",
    "avx",
    "f16c",
    "fma",
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimdhp",
    "asimddp",
    "bf16",
    "i8mm",
    "sve",
    "sve2",
)
"""Those that matter to inference, as Linux names them: x86, then Arm."""


class Device(msgspec.Struct, frozen=True):
    """``processor``: the CPU's model.  ``cores``: those that this process may use, of ``cores_of_machine``.

    ``memory_bytes`` is 0 where it is not known; ``system`` the operating system with its version.
    """

    processor: str
    cores: int
    cores_of_machine: int
    instruction_sets: tuple[str, ...]
    memory_bytes: int
    system: str

    def __str__(self) -> str:
        memory = f", {self.memory_bytes / 2**30:.0f} GiB" if self.memory_bytes else ""
        sets = f" ({', '.join(self.instruction_sets)})" if self.instruction_sets else ""
        return f"{self.processor}, {self.cores} of {self.cores_of_machine} cores{memory}, {self.system}{sets}"


def describe() -> Device:
    """This machine; what cannot be found out is left empty."""
    facts = cpu_facts(_read(CPUINFO))
    present = set((facts.get("flags") or facts.get("Features") or "").split())
    return Device(
        processor=facts.get("model name") or platform.processor() or platform.machine() or "unknown CPU",
        cores=cores(),
        cores_of_machine=os.cpu_count() or 1,
        instruction_sets=tuple(name for name in INSTRUCTION_SETS if name in present),
        memory_bytes=_memory(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}".strip(),
    )


def cpu_facts(text: str) -> dict[str, str]:
    """The first processor of ``/proc/cpuinfo``: what its keys say."""
    first = text.strip().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 0
