#!/usr/bin/env bash
# What the action runs: imgscan with its reports in files, their paths and the verdict as outputs, the summary of the
# job. It ends well whatever the verdict: the action's last step gives that, after the upload.
set -Eeuo pipefail
: "${RUNNER_TEMP:?}" "${GITHUB_OUTPUT:?}" "${GITHUB_STEP_SUMMARY:?}"
imgscan=${IMGSCAN_ACTION_PROGRAM:-$RUNNER_TEMP/imgscan/bin/imgscan}
command=${IMGSCAN_ACTION_COMMAND:-build-report}
case $command in
  build-report | lint | scan) ;;
  *)
    printf '::error title=imgscan::command is build-report, lint or scan\n'
    exit 2
    ;;
esac
reports=$(mktemp -d "$RUNNER_TEMP/imgscan-report.XXXXXX")

formats=(--format "json=$reports/report.json" --format "sarif=$reports/report.sarif" --format "markdown=$reports/report.md")
[[ ${IMGSCAN_ACTION_ANNOTATIONS:-true} != true ]] || formats+=(--format "github=$reports/annotations.txt")
# Words as a shell would split them, without anything a shell would run.
mapfile -t extra < <(python3 -c 'import shlex, sys; print(*shlex.split(sys.argv[1]), sep="\n")' "${IMGSCAN_ACTION_ARGS:-}")
[[ ${#extra[@]} -ne 1 || -n ${extra[0]} ]] || extra=()

# Against the report of the base branch only what is new counts, where that is asked for and there is one.
known=()
if [[ -n ${IMGSCAN_ACTION_BASE:-} && -s ${IMGSCAN_ACTION_BASE:-} ]]; then
  known=(--base "$IMGSCAN_ACTION_BASE")
  [[ ${IMGSCAN_ACTION_FAIL_ON_NEW:-false} != true ]] || known+=(--fail-on-new)
elif [[ ${IMGSCAN_ACTION_FAIL_ON_NEW:-false} == true ]]; then
  printf '::notice title=imgscan::there is no base report, so every finding counts\n'
fi

code=0
"$imgscan" "$command" "${formats[@]}" "${known[@]}" "${extra[@]}" -- "${IMGSCAN_ACTION_TARGET:-.}" || code=$?
printf 'exit-code=%s\n' "$code" >>"$GITHUB_OUTPUT"
[[ -s $reports/report.json ]] || exit 0

verdict=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1], encoding="utf-8"))["verdict"])' "$reports/report.json")
{
  printf 'verdict=%s\n' "$verdict"
  printf 'report-json=%s\n' "$reports/report.json"
  printf 'sarif-file=%s\n' "$reports/report.sarif"
} >>"$GITHUB_OUTPUT"
[[ ! -s $reports/annotations.txt ]] || cat "$reports/annotations.txt"

summary=$reports/report.md
if ((${#known[@]})); then
  "$imgscan" compare "$IMGSCAN_ACTION_BASE" "$reports/report.json" --format "markdown=$reports/compared.md" --quiet &&
    summary=$reports/compared.md
fi
# A summary of more than 1 MiB makes the step fail.
if (($(stat -c %s "$summary") < 1000000)); then
  cat "$summary" >>"$GITHUB_STEP_SUMMARY"
else
  printf 'imgscan: %s. The report is too long for a summary; it is an artifact of the run.\n' "$verdict" >>"$GITHUB_STEP_SUMMARY"
fi
