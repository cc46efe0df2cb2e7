"""An argparse parser -> completion scripts for bash, zsh, fish and PowerShell.

The scripts hold words and no code of ours, so a press of Tab starts nothing. Knows argparse only.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

PROGRAM = "cipp-mcp"


@dataclass(frozen=True)
class Option:
    """One flag; `values` is None where it takes none, empty where any text may follow."""

    flag: str
    says: str
    values: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Command:
    """One command, its flags, and the words that may stand in its places."""

    name: str
    says: str
    options: tuple[Option, ...]
    words: tuple[str, ...] = ()


def commands_of(parser: argparse.ArgumentParser, named: Mapping[str, Sequence[str]]) -> list[Command]:
    """The commands of a parser; the first is the program itself, with the commands as its words.

    Args:
        named: metavar of a place, or a flag -> what may stand there.
    """
    found: list[Command] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            found = [_command(name, helps.get(name, ""), sub, named) for name, sub in action.choices.items()]
    top = _command("", "", parser, named)
    return [Command("", "", top.options, tuple(c.name for c in found)), *found]


def _command(name: str, says: str, parser: argparse.ArgumentParser, named: Mapping[str, Sequence[str]]) -> Command:
    options: list[Option] = []
    words: list[str] = []
    for action in parser._actions:
        names = [*action.option_strings, str(action.metavar)]
        values = tuple(str(c) for c in action.choices or next((named[n] for n in names if n in named), ()))
        if action.option_strings:
            takes = None if action.nargs == 0 else values
            options += [Option(flag, _plain(action.help), takes) for flag in action.option_strings if flag.startswith("--")]
        elif not isinstance(action, argparse._SubParsersAction):
            words += values
    return Command(name, _plain(says), tuple(options), tuple(words))


def _plain(text: str | None) -> str:
    """A help text that no shell reads anything into."""
    return "".join(c for c in (text or "") if c.isprintable() and c not in "'`$\\\"[]:").strip()


def bash(commands: Sequence[Command]) -> str:
    values = [
        f"    {c.name}:{o.flag}) words='{' '.join(o.values)}' ;;" for c in commands for o in c.options if o.values is not None
    ]
    words = [f"    '{c.name}') words='{' '.join([*c.words, *(o.flag for o in c.options)])}' ;;" for c in commands]
    return "\n".join(
        [
            "_cipp_mcp() {",
            '  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" command="" word words=""',
            '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
            '    case "$word" in -*) ;; *) command="$word"; break ;; esac',
            "  done",
            '  case "$command:$previous" in',
            *values,
            '    *) case "$command" in',
            *words,
            "    esac ;;",
            "  esac",
            '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
            "}",
            f"complete -o default -F _cipp_mcp {PROGRAM}",
            "",
        ]
    )


def zsh(commands: Sequence[Command]) -> str:
    def described(option: Option) -> str:
        if option.values is None:
            return f"'{option.flag}[{option.says}]'"
        offers = f"({' '.join(option.values)})" if option.values else "_files"
        return f"'{option.flag}[{option.says}]:value:{offers}'"

    top, *others = commands
    lines = [f"#compdef {PROGRAM}", "_cipp_mcp() {", "  local -a commands", "  commands=("]
    lines += [f"    '{c.name}:{c.says}'" for c in others]
    lines += ["  )", "  if (( CURRENT == 2 )); then", "    _describe command commands"]
    lines += [f"    compadd -- {' '.join(o.flag for o in top.options)}", "    return", "  fi"]
    lines += ["  local command=$words[2]", "  shift words", "  (( CURRENT-- ))", "  case $command in"]
    for c in others:
        places = [f"'*:place:({' '.join(c.words)})'"] if c.words else []
        lines.append(f"    {c.name}) _arguments {' '.join([*map(described, c.options), *places])} ;;")
    return "\n".join([*lines, "  esac", "}", f"(( $+functions[compdef] )) && compdef _cipp_mcp {PROGRAM}", ""])


def fish(commands: Sequence[Command]) -> str:
    top, *others = commands
    lines = [f"complete -c {PROGRAM} -f"]
    for c in (top, *others):
        when = f"'__fish_seen_subcommand_from {c.name}'" if c.name else "__fish_use_subcommand"
        start = f"complete -c {PROGRAM} -n {when}"
        if not c.name:
            lines += [f"{start} -a {o.name} -d '{o.says}'" for o in others]
        elif c.words:
            lines.append(f"{start} -a '{' '.join(c.words)}'")
        for o in c.options:
            takes = "" if o.values is None else f" -x -a '{' '.join(o.values)}'" if o.values else " -r -F"
            lines.append(f"{start} -l {o.flag.removeprefix('--')}{takes} -d '{o.says}'")
    return "\n".join([*lines, ""])


def powershell(commands: Sequence[Command]) -> str:
    def array(words: Sequence[str]) -> str:
        return "@(" + ", ".join(f"'{w}'" for w in words) + ")"

    lines = [f"Register-ArgumentCompleter -Native -CommandName {PROGRAM} -ScriptBlock {{"]
    lines += ["  param($wordToComplete, $commandAst, $cursorPosition)", "  $words = @{"]
    lines += [f"    '{c.name}' = {array([*c.words, *(o.flag for o in c.options)])}" for c in commands]
    lines += ["  }", "  $values = @{"]
    lines += [f"    '{c.name}:{o.flag}' = {array(o.values)}" for c in commands for o in c.options if o.values]
    lines += [
        "  }",
        "  $before = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })",
        "  if ($wordToComplete -ne '' -and $before.Count -gt 0) { $before = @($before | Select-Object -SkipLast 1) }",
        "  $command = [string]($before | Where-Object { -not $_.StartsWith('-') } | Select-Object -First 1)",
        "  $previous = [string]($before | Select-Object -Last 1)",
        "  $offers = if ($values.ContainsKey($command + ':' + $previous)) { $values[$command + ':' + $previous] }"
        " else { $words[$command] }",
        '  $offers | Where-Object { $_ -like "$wordToComplete*" } |'
        " ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }",
        "}",
        "",
    ]
    return "\n".join(lines)


SHELLS: Mapping[str, Callable[[Sequence[Command]], str]] = {"bash": bash, "zsh": zsh, "fish": fish, "powershell": powershell}
