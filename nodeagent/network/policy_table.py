"""The nftables table of policies (`policy_program`), as text for ``nft -f``. Pure.

`whole` is a program as a table, `difference` one script, a transaction, that turns one into another.

A packet is looked up once by its source and once by its destination in a map of the pods that have rules; that leads to the
chain of that pod. All stands in the forward hook, after services have been resolved to pods, because pods reach even their
neighbours through the node (`namespaces`). Replies and what the kernel relates to a connection pass; the side that opened
it is held to the policies as they are now. What the node itself sends to its own pods never passes the forward hook.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from nodeagent.network.policy_program import ADDRESS, FAMILY, Place, Program, Set


def whole(table: str, program: Program, place: Place) -> str:
    """The table anew, in one transaction with the removal of what was there."""
    parts = [f"table inet {table} {{ }}", f"delete table inet {table}", f"table inet {table} {{"]
    parts += [_declaration(name, each) for name, each in sorted(program.sets.items())]
    parts += [f"  chain {name} {{ }}" for name in sorted(program.chains)]
    parts += [f"  map {name} {{ type {ADDRESS[int(name[-1])]} : verdict; }}" for name in sorted(program.maps)]
    parts += [*_base_chains(place, program).values(), "}"]
    return "\n".join([*parts, *_fill(table, Program(), program)]) + "\n"


_SIDES = [(version, FAMILY[version], side) for version in (4, 6) for side in ("saddr", "daddr")]


def _base_chains(place: Place, program: Program) -> dict[str, str]:
    """By name, those that packets meet: only what has rules costs them anything."""
    wanted = {name[:-1] for name, entries in program.maps.items() if entries}
    chains = {}
    if "walls" in wanted:
        looks = [f"{family} {side} vmap @walls{version}" for version, family, side in _SIDES]
        chains["namespaces"] = _forward("namespaces", 1, looks)
    if "egress" in wanted:
        chains["egress"] = _forward("egress", 2, ["ip saddr vmap @egress4", "ip6 saddr vmap @egress6"])
        chains["egress_to_dns"] = _to_dns(place)
    if "ingress" in wanted:
        chains["ingress"] = _forward("ingress", 3, ["ip daddr vmap @ingress4", "ip6 daddr vmap @ingress6"])
    return chains


def _forward(name: str, order: int, rules: Iterable[str]) -> str:
    lines = "".join(f"    {rule}\n" for rule in ("ct state related accept", "ct direction reply accept", *rules))
    return f"  chain {name} {{\n    type filter hook forward priority filter + {order}; policy accept;\n{lines}  }}"


def _to_dns(place: Place) -> str:
    dns = "".join(
        f'    iifname "{place.bridge}" {FAMILY[at.version]} daddr {at} meta l4proto {{ tcp, udp }} th dport 53 '
        f"{FAMILY[at.version]} saddr vmap @egress{at.version}\n"
        for at in place.dns
    )
    hook = "type filter hook input priority filter + 2; policy accept;"
    return f"  chain egress_to_dns {{\n    {hook}\n{dns}  }}"


def difference(table: str, old: Program, new: Program, place: Place) -> str:
    """A script that makes ``new`` of ``old``; empty where they are alike. Changes of ``place`` need `whole`."""
    changed = [name for name, rules in new.chains.items() if name not in old.chains or old.chains[name] != rules]
    gone = [name for name in old.chains if name not in new.chains]
    lines = [
        f"add set inet {table} {name} {_set_text(each)}" for name, each in new.sets.items() if name not in old.sets
    ]
    lines += [f"add chain inet {table} {name}" for name in changed if name not in old.chains]
    lines += _fill(table, old, new)
    lines += _hooked(table, _base_chains(place, old), _base_chains(place, new))
    lines += [f"flush chain inet {table} {name}" for name in gone]
    lines += [f"delete chain inet {table} {name}" for name in gone]
    lines += [f"delete set inet {table} {name}" for name in old.sets if name not in new.sets]
    return "".join(f"{line}\n" for line in lines)


def _hooked(table: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in old.keys() - new.keys():
        yield f"flush chain inet {table} {name}\ndelete chain inet {table} {name}"
    for name in new.keys() - old.keys():
        yield f"table inet {table} {{\n{new[name]}\n}}"


def _fill(table: str, old: Program, new: Program) -> Iterator[str]:
    """The content of sets, chains and maps, where chains and sets themselves are there."""
    for name, each in new.sets.items():
        before = old.sets[name].elements if name in old.sets else frozenset()
        yield from _elements("delete", table, name, before - each.elements)
        yield from _elements("add", table, name, each.elements - before)
    for name, rules in new.chains.items():
        if old.chains.get(name) == rules:
            continue
        if name in old.chains:
            yield f"flush chain inet {table} {name}"
        for rule in rules:
            yield f"add rule inet {table} {name} {rule}"
    for name, entries in new.maps.items():
        yield from _map_changes(table, name, old.maps.get(name, {}), entries)


def _map_changes(table: str, name: str, before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    word = "jump" if name.startswith("walls") else "goto"
    gone = [f"{key} : {word} {chain}" for key, chain in before.items() if now.get(key) != chain]
    come = [f"{key} : {word} {chain}" for key, chain in now.items() if before.get(key) != chain]
    yield from _elements("delete", table, name, gone)
    yield from _elements("add", table, name, come)


def _elements(command: str, table: str, name: str, elements: Iterable[str]) -> Iterator[str]:
    listed = ", ".join(sorted(elements))
    if listed:
        yield f"{command} element inet {table} {name} {{ {listed} }}"


def _declaration(name: str, each: Set) -> str:
    return f"  set {name} {_set_text(each)}"


def _set_text(each: Set) -> str:
    return f"{{ type {each.type}; {'flags interval; ' if each.interval else ''}}}"


def remove(table: str) -> str:
    return f"table inet {table} {{ }}\ndelete table inet {table}\n"
