# shellcheck shell=bash disable=SC2034  # what is set here is used elsewhere
# What the scripts of .ci/ and sample_images/bases/ share. Sourced, never run.

# Where downloads and private engines live; nothing in it is needed for longer than the next run.
CACHE_DIR=${XDG_CACHE_HOME:-$HOME/.cache}/imgscan

# Where the package manager keeps its sources.
APT_ETC=/etc/apt

# Scripts answer on stdout (a DOCKER_HOST, say); everything for a person goes to stderr.
say() { printf '%s\n' "${0##*/}: $*" >&2; }

# die CODE LINE...: the first line says what happened, the others what to do.
die() {
  local code=$1
  shift
  say "$1"
  shift
  (($# == 0)) || printf '  %s\n' "$@" >&2
  exit "$code"
}

is_root() { [[ $(id -u) == 0 ]]; }

# The ID, ID_LIKE and VERSION_CODENAME of this system, each empty where it is not known.
os_release() {
  local file
  for file in /etc/os-release /usr/lib/os-release; do
    if [[ -r $file ]]; then
      # shellcheck disable=SC1090  # the file is chosen at run time
      (. "$file" && eval "printf '%s' \"\${$1-}\"")
      return
    fi
  done
}

is_debian_like() {
  command -v apt-get >/dev/null && [[ " $(os_release ID) $(os_release ID_LIKE) " =~ \ (debian|ubuntu)\  ]]
}

# apt_install PACKAGE...: quietly, as root, without recommendations. A third-party source that does not answer makes
# `apt-get update` fail although Debian's own lists are fine, so only the install decides.
apt_install() {
  local log
  log=$(mktemp)
  if ! {
    apt-get update -q || true
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
  } >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# apt_sources FOLDER [SUITE]: writes this system's own package sources (Debian's or Ubuntu's, no third party's) to
# FOLDER/system.list and FOLDER/system.sources, whichever it has. With SUITE every entry names that suite in place of
# the system's release, and its updates and security entries are dropped: the newer suites have no such thing.
apt_sources() {
  local folder=$1 suite=${2-} codename file
  codename=$(os_release VERSION_CODENAME)
  mkdir -p "$folder"
  for file in "$APT_ETC"/sources.list "$APT_ETC"/sources.list.d/*.list; do
    [[ ! -r $file ]] || awk -v codename="$codename" -v suite="$suite" '
      $1 == "deb" {
        uri = 2
        if ($2 ~ /^\[/) while (uri < NF && $(uri++) !~ /\]$/) { }
        name = $(uri + 1)
        if (name != codename && (suite != "" || (name != codename "-updates" && name != codename "-security"))) next
        if (suite != "") $(uri + 1) = suite
        print
      }' "$file"
  done >"$folder/system.list"
  for file in "$APT_ETC"/sources.list.d/*.sources; do
    [[ ! -r $file ]] || awk -v codename="$codename" -v suite="$suite" '
      BEGIN { RS = ""; FS = "\n" }
      {
        text = ""; wanted = 0
        for (i = 1; i <= NF; i++) {
          line = $i
          if (line ~ /^#/) continue
          if (tolower(line) ~ /^enabled:[ \t]*(no|false|0)/) { wanted = 0; break }
          if (tolower(line) ~ /^suites:/) {
            n = split(line, words, /[ \t]+/); kept = ""
            for (w = 2; w <= n; w++) {
              if (words[w] == codename) kept = kept " " (suite == "" ? codename : suite)
              else if (suite == "" && (words[w] == codename "-updates" || words[w] == codename "-security"))
                kept = kept " " words[w]
            }
            if (kept == "") break
            wanted = 1; line = "Suites:" kept
          }
          text = text line "\n"
        }
        if (wanted) print text
      }' "$file"
  done >"$folder/system.sources"
  for file in "$folder/system.list" "$folder/system.sources"; do
    [[ -s $file ]] || rm -f "$file"
  done
  [[ -n $codename ]] && compgen -G "$folder/system.*" >/dev/null
}
