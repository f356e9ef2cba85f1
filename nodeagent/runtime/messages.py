"""What an OCI runtime says when it refuses, made into a sentence for a pod's status. Pure."""

from __future__ import annotations

import json
import re

_NOT_IN_PATH = re.compile(r'executable file [`"]?([^`"]+?)[`"]? not found(?: in \$PATH)?')
_EXEC = re.compile(r'exec: "([^"]+)": (.+)')
_OPEN_EXECUTABLE = re.compile(r"open executable: ?(.*)")
_EXEC_FAILED = re.compile(r"exec(?:ve|utable)?(?: container process)? [`\"]?([^`\":]+)[`\"]?: (.+)", re.IGNORECASE)
_CHDIR = re.compile(r"chdir(?: to)? (?:cwd )?\(?[`\"]?([^`\")]+)[`\"]?\)?.*?: (.+)", re.IGNORECASE)


def last_error(log: str) -> str:
    """The message of the last error in a runtime's JSON log, or its last line when it is no JSON."""
    message = ""
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            message = line.strip() or message
            continue
        if isinstance(entry, dict) and entry.get("level", "error") in ("error", "fatal"):
            message = str(entry.get("msg") or message)
    return message


def humanise(text: str, *, command: str = "") -> str:
    """One sentence: what the runtime could not do and why. ``command`` is what it was to execute."""
    message = " ".join(text.split())
    if match := _EXEC.search(message):
        reason = match[2].removesuffix(": unknown").removeprefix(f"stat {match[1]}: ")
        return f'exec: "{match[1]}": {reason}'
    if (match := _OPEN_EXECUTABLE.search(message)) and command:
        return f'exec: "{command}": {match[1].lower()}'
    if match := _NOT_IN_PATH.search(message):
        where = "no such file or directory" if "/" in match[1] else "executable file not found in $PATH"
        return f'exec: "{match[1]}": {where}'
    if match := _CHDIR.search(message):
        return f'workingDir "{match[1]}": {match[2].lower()}'
    if match := _EXEC_FAILED.search(message):
        return f'exec: "{match[1]}": {match[2].lower()}'
    return message or "the runtime failed without saying why"


def exit_code(text: str) -> int:
    """What a shell would return for a command that could not be run: 127 not found, 126 not executable."""
    lowered = text.lower()
    return 127 if "not found" in lowered or "no such file" in lowered else 126
