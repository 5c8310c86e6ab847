"""What `stream-gov reference promote` would change: which monitors, from which revision to which, and which must be kept from following."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stream_gov.cli.reference_uses import MonitorUse
from stream_gov.contracts import ConfigurationError
from stream_gov.contracts.unknown_keys import nearest
from stream_gov.reference import profile_id, split_profile_id

__all__ = ["Move", "plan_promotion"]


@dataclass(frozen=True)
class Move:
    """What becomes of one monitor."""

    use: MonitorUse
    to: str
    """`name@revision` that the monitor names afterwards."""
    holds: bool = False
    """It is not promoted: it names no revision, and is made to name the one in force, or it would follow to the new one."""

    @property
    def publishes(self) -> bool:
        """Whether the published monitor changes."""
        return self.use.published is not None and self.use.published.reference != self.to

    @property
    def keeps(self) -> bool:
        """Whether the file in the state directory changes."""
        return self.use.kept is not None and self.use.kept.reference != self.to

    @property
    def changes(self) -> bool:
        """Whether anything is to be done."""
        return self.publishes or self.keeps


def plan_promotion(uses: Sequence[MonitorUse], target: str, chosen: Sequence[str]) -> list[Move]:
    """Say what becomes of each monitor that is compared with a revision of the same reference.

    Parameters
    ----------
    uses
        Of every monitor, those of other references included.
    target
        `name@revision` to put into force.
    chosen
        Names of the monitors to promote; empty: all that are compared with the reference.

    Raises
    ------
    ConfigurationError
        A chosen monitor is not known, or is compared with another reference; or none is compared with this one.
    """
    name, _ = split_profile_id(target)
    by_name = {use.name: use for use in uses}
    for wanted in chosen:
        use = by_name.get(wanted)
        if use is None:
            hint = nearest(wanted, sorted(by_name)) if by_name else "; there are none yet"
            msg = f"--monitor {wanted}: there is no monitor {wanted!r}{hint}"
            raise ConfigurationError(msg)
        if not use.names(name):
            other = use.monitor.reference or "no reference"
            msg = f"--monitor {wanted}: it is compared with {other}, not with {name}; change `reference` in its file and apply it"
            raise ConfigurationError(msg)
    of_reference = [use for use in uses if use.names(name)]
    if not of_reference:
        known = ", ".join(f"{use.name} ({use.monitor.reference or 'none'})" for use in uses) or "there are none"
        msg = f"no monitor is compared with {name}; monitors: {known}; name it in a monitor and `stream-gov monitor apply` that"
        raise ConfigurationError(msg)
    moves = []
    for use in of_reference:
        if not chosen or use.name in chosen:
            moves.append(Move(use, target))
        elif _would_follow(use, target):
            moves.append(Move(use, use.in_force or target, holds=True))
    return moves


def _would_follow(use: MonitorUse, target: str) -> bool:
    """Whether a published monitor means the newest revision, and the target would be that."""
    name, revision = split_profile_id(target)
    if use.published is None or use.published.reference != name or use.published_revision is None:
        return False
    in_force = split_profile_id(use.published_revision)[1]
    return profile_id(name, in_force or 0) != target and (revision or 0) > (in_force or 0)
