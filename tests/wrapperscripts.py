"""Wrappers around compose as people write them, by what is special about each."""

from __future__ import annotations

from typing import Final

SEED: Final = """#!/bin/bash
set -euo pipefail

COMMAND="$1"
shift

if [[ "$COMMAND" == "down" && ( "$*" == "-v" || "$*" == "--volumes" ) ]]; then
  read -p "Are you sure? This cannot be undone. (y/N): " -r REPLY
  if [[ ! "$REPLY" =~ ^[yY]$ ]]; then
    echo "Aborted."
    exit 1
  fi
fi

docker-compose -f docker/docker-compose.yml -f docker/docker-compose.dev.yml "$COMMAND" "$@"
"""

ELEVEN: Final = (
    "down -v --remove-orphans",
    "down --remove-orphans -v",
    "down --volumes=true",
    "down -v=true",
    "down -t 0 -v",
    "down -vt0",
    "down --rmi local --volumes",
    "down -v -v",
    "--profile '*' down -v",
    "-p docker down -v",
    "--progress plain down -v",
)
"""What the seed's wrapper lets through."""

WRAPPERS: Final[dict[str, str]] = {
    "a comparison of all arguments": SEED,
    "every argument by itself": """#!/bin/bash
        for argument in "$@"; do
          if [ "$argument" = "-v" ] || [ "$argument" = "--volumes" ]; then
            echo "refusing" >&2
            exit 1
          fi
        done
        docker compose "$@"
        """,
    "grep on the joined arguments": """#!/bin/bash
        if echo "$*" | grep -qE -- '(^| )(-v|--volumes)( |$)'; then
          read -p "sure? " answer
          [ "$answer" = "yes" ] || exit 1
        fi
        docker compose "$@"
        """,
    "a herestring for grep": """#!/bin/bash
        grep -q -e '-v' <<<"$*" && exit 3
        docker compose "$@"
        """,
    "patterns on the joined arguments": """#!/bin/bash
        if [[ " $* " == *" -v "* || "$*" == *--volumes* ]]; then exit 1; fi
        exec docker compose -f a.yml "$@"
        """,
    "a regular expression in a variable": """#!/bin/bash
        re='(^|[[:space:]])(-[a-zA-Z]*v|--volumes)'
        [[ "$*" =~ $re ]] && { echo no; exit 3; }
        DC="docker compose"
        $DC "$@"
        """,
    "verbs with their own arguments": """#!/bin/sh
        cmd=$1; shift
        case "$cmd" in
          up) docker-compose up -d "$@" ;;
          down) docker-compose down ;;
          *) docker-compose "$cmd" "$@" ;;
        esac
        """,
    "an array of collected arguments": """#!/bin/bash
        set -e
        args=()
        while [[ $# -gt 0 ]]; do
          case "$1" in
            -v | --volumes) asked=1; args+=("$1"); shift ;;
            *) args+=("$1"); shift ;;
          esac
        done
        if [[ -n "${asked:-}" ]]; then read -rp "sure? " x; [[ $x == y ]] || exit 1; fi
        docker compose "${args[@]}"
        """,
    "a function with a default and a prefix": """#!/bin/bash
        set -eu
        compose() { command docker compose --ansi never "$@"; }
        die() { echo "$1" >&2; exit "${2:-1}"; }
        main() {
          local verb=${1:-ps}
          [[ $# -eq 0 ]] || shift
          [[ $verb != down || $# -eq 0 ]] || die "down takes no options" 2
          compose "$verb" "$@"
        }
        main "$@"
        """,
    "the second argument only": """#!/bin/bash
        if [ "$1" = down ] && [ "$2" = -v ]; then exit 1; fi
        docker compose "$@"
        """,
    "a flag that is cut off": """#!/bin/bash
        for a in "$@"; do
          [[ ${a%%=*} == --volumes || ${a:0:2} == -v ]] && exit 1
        done
        docker compose "$@"
        """,
    "no guard": """#!/bin/bash
        docker compose -f docker-compose.yml "$@"
        """,
    "set and if with else": """#!/usr/bin/env bash
        if [ $# -eq 0 ]; then set -- up; fi
        if [ "$1" != "down" ]; then
          docker compose "$@"
        elif (( $# > 1 )); then
          echo "down takes no options" >&2
        else
          docker compose down
        fi
        """,
    "arguments without the flag": """#!/bin/bash
        rest=()
        for a; do
          case $a in
            -v|--volumes|--volumes=*|-v=*) continue ;;
          esac
          rest+=("$a")
        done
        docker compose "${rest[@]}"
        """,
    "until and shift by two": """#!/bin/bash
        all=("$@")
        until [ $# -lt 2 ]; do
          test "$2" = "-v" && exit 9
          shift
        done
        docker compose "${all[@]}"
        """,
    "a subshell that ends": """#!/bin/bash
        ( [[ $* == *-v* ]] && exit 1; true ) || exit 1
        docker compose "$@"
        """,
    "a trap and a variable as program": """#!/bin/bash
        set -Eeuo pipefail
        trap 'echo failed' ERR
        engine=docker
        "$engine" compose "$@"
        """,
}
