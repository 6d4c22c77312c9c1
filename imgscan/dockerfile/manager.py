"""What imgscan knows of a package manager: what makes a call of it an install, and what that reads and keeps."""

from __future__ import annotations

from imgscan.frozen import frozen

Words = tuple[str, ...]


@frozen
class Manager:
    """One package manager.

    `verbs`: subcommands that install. `bare`: it installs when called without a subcommand. `goals`: substrings of
    operands that mean an install (build tools whose goals come in any order). `install_flags`: options that mean one.
    `tool_verbs`, `tool_flags`: the install brings tools named on the command line, not the project's dependencies.
    `lock_only_verbs`: reads the lockfile and `settings`, no manifest. `file_flags`: options that name the manifest.
    `frozen_*`: the lockfile decides and is checked. `cache_flags`: options that move the cache from `cache_dir`.
    """

    name: str
    ecosystem: str
    programs: Words
    verbs: tuple[Words, ...] = ()
    bare: bool = False
    goals: Words = ()
    install_flags: Words = ()
    value_flags: Words = ()
    tool_verbs: tuple[Words, ...] = ()
    tool_flags: Words = ()
    lock_only_verbs: tuple[Words, ...] = ()
    frozen_verbs: tuple[Words, ...] = ()
    frozen_flags: Words = ()
    unfrozen_flags: Words = ()
    production_flags: Words = ()
    production_env: Words = ()
    manifests: Words = ()
    settings: Words = ()
    lockfiles: Words = ()
    file_flags: Words = ()
    cache_flags: Words = ()
    cache_dir: str | None = None
