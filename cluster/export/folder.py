"""What a run's folder says: the scenario as it was resolved, and the result."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from netswap.actors.network.link import LinkSettings
from netswap.actors.policy import Policy
from netswap.actors.settings import Files, Layer, MachineSettings, Spread, Swap, Vm, ZoneSettings
from netswap.cluster.recordings.files import RecordingError
from netswap.cluster.scenario import Problem, ScenarioError, recorded
from netswap.cluster.scenario.resolved import DirectedLink, Fault, NetworkSettings, Resolved, SwitchPort


class Original(NamedTuple):
    """A run that is to be run again."""

    folder: Path
    resolved: Resolved
    result: dict[str, Any]

    @property
    def digest(self) -> str:
        """The digest of the run."""
        return str(self.result["digest"])

    @property
    def end_ns(self) -> int:
        """How far the run went."""
        return int(self.result["virtual_ns"])

    @property
    def version(self) -> str | None:
        """The version of netswap that wrote the folder, if that says it."""
        return self.result.get("version")

    @property
    def writer(self) -> str:
        """The version of netswap that wrote the folder, in words."""
        return f"netswap {self.version}" if self.version else "an earlier netswap"

    @property
    def stalls(self) -> list[tuple[int, str]]:
        """(when, machine's name) of those that stalled, the first of them first."""
        machines = self.result["machines"]
        return sorted(
            (one["stalled_at_ns"], name) for name, one in machines.items() if one["stalled_at_ns"] is not None
        )


def opened(folder: Path) -> Original:
    """What is in the folder of a run that has ended. Raises ScenarioError."""
    resolved, result = _read(folder / "resolved.json"), _read(folder / "result.json")
    version = result.get("version", "an earlier version") if isinstance(result, dict) else "something else"
    try:
        original = Original(folder, resolved_of(resolved), result)
        _ = original.digest, original.end_ns, original.stalls
    except ScenarioError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"its files cannot be understood: {version} wrote them, and netswap's are others now"
        raise refused(folder, what, "run its scenario again") from error
    return original


def refused(folder: Path, message: str, hint: str) -> ScenarioError:
    """Why a folder cannot be used."""
    return ScenarioError([Problem(str(folder), 1, 1, message, hint)])


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        what = f"there is no {path.name}, so this is not the folder of a run that has ended"
        raise refused(path.parent, what, "name the folder that `netswap run` says at its end") from None
    except (OSError, ValueError) as error:
        raise refused(path, f"cannot be read: {error}", "run the scenario again") from None


def resolved_of(said: dict[str, Any]) -> Resolved:
    """What `Resolved.as_json` was made of. Raises KeyError, TypeError or ValueError if it was made of something else."""
    network = said["network"]
    links = [DirectedLink(one["source"], one["to"], LinkSettings(**one["settings"])) for one in network["links"]]
    port = None if network["port"] is None else SwitchPort(**network["port"])
    whole = {
        "network": NetworkSettings(LinkSettings(**network["link"]), tuple(links), port),
        "machines": tuple(_machine(one) for one in said["machines"]),
        "timeline": tuple(Fault(**one) for one in said["timeline"]),
    }
    return Resolved(**{**said, **whole})


def _machine(said: dict[str, Any]) -> MachineSettings:
    whole = {
        "policy": Policy(**said["policy"]),
        "swap": None if said["swap"] is None else _swap(said["swap"]),
        "programs": tuple((kind, _settings(kind, settings, said["mtu"])) for kind, settings in said["programs"]),
        "files": Files(**said["files"]),
        "zones": tuple(ZoneSettings(**one) for one in said["zones"]),
        "vm": Vm(**said["vm"]),
        **{
            name: None if said[name] is None else tuple(said[name])
            for name in ("tcp_mem", "tcp_rmem", "tcp_wmem", "udp_mem")
        },
    }
    return MachineSettings(**{**said, **whole})


def _settings(kind: str, said: dict[str, Any], mtu: int) -> dict[str, Any]:
    """The settings of a program; what it repeats is read again, from a file that has to be the same."""
    if ":" in kind or "recording" not in said:
        return said
    try:
        return {**said, "recording": recorded.again(said["recording"], mtu)}
    except RecordingError as error:
        raise refused(Path(said["recording"]["path"]), error.message, error.hint) from error


def _swap(said: dict[str, Any]) -> Swap:
    spread = said["spread"]
    if spread is not None:
        spread = Spread(**{**spread, "servers": tuple(spread["servers"])})
    layer = said.get("layer")
    return Swap(**{**said, "spread": spread, "layer": None if layer is None else Layer(**layer)})
