# Finds or builds the environment: the virtual environment that holds every locked package.
#
# Sourced by bin/python, which sets $checkout. Written for bash 3.2 (macOS has that).
#
# Sets: system       native (this system), debian (in a Debian root file system) or inside (we are
#                    in that file system already)
#       cache        the directory that holds all that is built
#       environment  the virtual environment
#       root         the Debian root file system, where there is one

debian_suite=trixie
oldest_glibc=2.39 # what the wheels of ml-metadata and tensorflow-data-validation ask for
complete=complete # the file that marks a directory as whole; always the last to be written

say() { printf '%s\n' "brain-mri: $*" >&2; }

fail() {
  say "$*"
  exit 1
}

# Reads standard input; prints 16 hexadecimal digits.
digest() {
  local line
  if command -v sha256sum >/dev/null; then line=$(sha256sum); else line=$(shasum -a 256); fi
  printf '%s\n' "${line:0:16}"
}

is_complete() {
  [ -f "$1/$complete" ] || return 1
  case $system in # in a Debian root, python is a link that has a target in there only
    debian) is_root_complete ;;
    *) [ -x "$1/bin/python" ] ;;
  esac
}

find_environment() {
  local kind
  if [ -n "${BRAIN_MRI_CACHE:-}" ]; then
    cache=$BRAIN_MRI_CACHE
  elif [ -n "${XDG_CACHE_HOME:-}" ]; then
    cache=$XDG_CACHE_HOME/brain-mri-pipeline
  elif [ -n "${HOME:-}" ]; then
    cache=$HOME/.cache/brain-mri-pipeline
  else
    fail "HOME is not set: set it, or set BRAIN_MRI_CACHE to a directory you can write to."
  fi
  case $cache in /*) ;; *) cache=$PWD/$cache ;; esac

  locks=("$checkout/requirements/lock.txt")
  if [ -n "${BRAIN_MRI_GPU:-}" ] && [ "$BRAIN_MRI_GPU" != 0 ]; then
    locks+=("$checkout/requirements/lock-gpu.txt")
  fi

  kind=$(uname -sm)
  case $kind in
    "Darwin arm64") system=native ;;
    "Linux x86_64")
      if [ -n "${BRAIN_MRI_INSIDE:-}" ]; then
        system=inside root=$BRAIN_MRI_INSIDE
      elif has_new_glibc; then
        system=native
      else
        system=debian
      fi
      ;;
    *) refuse "The TFX packages have no build for this system ($kind)." ;;
  esac

  if [ "$system" = native ]; then
    environment=$cache/env-$(cat -- "${locks[@]}" - <<<"$kind ${BRAIN_MRI_PYTHON:-}" | digest)
    if is_complete "$environment" || find_python; then return; fi
    [ "$kind" = "Linux x86_64" ] || refuse "No Python 3.10 to 3.13 was found on this system."
    system=debian # new enough, but without a Python that the packages know
  fi
  [ "$system" = inside ] || find_root
  environment=$cache/env-$(cat -- "${locks[@]}" - <<<"${root##*/}" | digest)
}

has_new_glibc() {
  local version
  version=$(getconf GNU_LIBC_VERSION 2>/dev/null) || return 1 # "glibc 2.41"; fails with musl
  version=${version##* }
  [ "${version%%.*}" -ge 3 ] || [ "${version#*.}" -ge "${oldest_glibc#*.}" ]
}

# Sets python to the first one here that the packages support.
find_python() {
  local name
  for name in "${BRAIN_MRI_PYTHON:-python3.13}" python3.12 python3.11 python3.10 python3; do
    if python=$(command -v "$name") && "$python" -c 'import sys
raise SystemExit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      return 0
    fi
    [ -z "${BRAIN_MRI_PYTHON:-}" ] ||
      fail "BRAIN_MRI_PYTHON=$name is not Python 3.10 to 3.13: name one that is, or unset the" \
        "variable."
  done
  return 1
}

refuse() {
  say "$1 Use Docker instead:"
  printf '  %s\n' "docker build --platform linux/amd64 -t brain-mri-pipeline '$checkout'" \
    "docker run --rm -v \"\$PWD\":/data brain-mri-pipeline --help" >&2
  exit 1
}

make_cache() {
  local error
  if ! error=$({ mkdir -p "$cache" && : >>"$environment.lock"; } 2>&1); then
    case $error in
      *[Nn]"o space left"* | *"quota exceeded"*) fail_disk_full ;;
    esac
    fail "$cache cannot be written to: set BRAIN_MRI_CACHE to a directory where you can write."
  fi
}

can_write() {
  head -c 100000 /dev/zero 2>/dev/null >"$cache/probe" && rm -f "$cache/probe"
} 2>/dev/null

fail_disk_full() {
  fail "The disk that holds $cache is full: free 5 GB there, or set BRAIN_MRI_CACHE to a" \
    "directory on another disk, and start again."
}

# Waits until this process alone may change $1. The kernel frees the lock when the last process of
# a build ends, however it ends; without flock (macOS) a symbolic link names the holder.
lock() {
  if command -v flock >/dev/null; then
    exec 9>>"$1.lock"
    if ! flock -n 9; then
      say "another process sets up ${1##*/}; waiting for it to end."
      flock 9
    fi
    return
  fi
  local holder said=
  until ln -sn "$$" "$1.holder" 2>/dev/null; do
    holder=$(readlink "$1.holder") || continue
    if ! kill -0 "$holder" 2>/dev/null; then
      mv "$1.holder" "$1.holder.$$" 2>/dev/null && rm -f "$1.holder.$$"
      continue
    fi
    [ -n "$said" ] || say "process $holder sets up ${1##*/}; waiting for it to end."
    said=yes
    sleep 1
  done
}

unlock() { # $1 as given to lock
  if command -v flock >/dev/null; then exec 9>&-; else rm -f "$1.holder"; fi
}

# Runs a command with its output in the log, and shows its title and how long it takes. If it fails,
# what it was to make ($unfinished) is removed, and the end of the log shown.
step() {
  local title=$1 start=$SECONDS status=0 ticker full=
  shift
  printf '  %s ...' "$title" >&2
  [ -t 2 ] || printf '\n' >&2
  (
    exec 9>&- # the lock is not the ticker's to hold
    while sleep 1 && kill -0 $$ 2>/dev/null; do
      elapsed=$((SECONDS - start))
      if [ -t 2 ]; then
        printf '\r  %s ... %d s' "$title" "$elapsed" >&2
      elif [ $((elapsed % 30)) -eq 0 ]; then
        printf '  %s ... %d s\n' "$title" "$elapsed" >&2
      fi
    done
  ) &
  ticker=$!
  "$@" >>"$log" 2>&1 </dev/null || status=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  if [ "$status" -eq 0 ]; then
    if [ -t 2 ]; then printf '\r\033[K' >&2; fi
    printf '  %s: %d s\n' "$title" $((SECONDS - start)) >&2
    return
  fi
  if [ -t 2 ]; then printf '\n' >&2; fi
  can_write || full=yes
  [ -z "${unfinished:-}" ] || rm -rf "$unfinished"
  if grep -qiE 'no space left|quota exceeded' "$log" || [ -n "$full" ]; then fail_disk_full; fi
  tail -n 15 "$log" | sed 's/^/  | /' >&2
  fail "$title failed (above: the end of $log). Put right what it names, and start again:" \
    "what is half done will be done anew."
}

build_environment() {
  local inside=
  make_cache
  if [ "$system" = debian ]; then
    check_sandbox_tools
    is_root_complete || build_root
  fi
  lock "$environment"
  if is_complete "$environment"; then # by the process that we waited for
    unlock "$environment"
    return
  fi
  say "setting up the environment, once for this lock file, in $environment"
  log=$environment.log
  : >"$log"
  rm -rf "$environment"
  unfinished=$environment
  case $system in
    native) check_native_tools ;;
    inside) python=/usr/bin/python3 ;;
    debian) python=/usr/bin/python3 inside=in_sandbox ;;
  esac
  step "making a virtual environment" $inside "$python" -m venv "$environment"
  step "installing the packages" $inside "$environment/bin/python" -I \
    "$checkout/bin/install.py" --cache "$cache/uv" "${locks[@]}"
  : >"$environment/$complete"
  unlock "$environment"
}

# What a plain system may lack: the venv module, and what compiles the one package without wheels.
check_native_tools() {
  local advice="install a C++ compiler and the headers of $python, and start again."
  if command -v apt-get >/dev/null; then
    advice="run this line, and start again: sudo apt-get install -y g++ python3-dev python3-venv"
  elif [ "$(uname -s)" = Darwin ]; then
    advice="run this line, and start again: xcode-select --install"
  fi
  [ -s "${locks[0]}" ] || return 0
  "$python" -c 'import ensurepip, pathlib, sysconfig, venv
raise SystemExit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' \
    2>/dev/null || fail "$python lacks the venv module or its C headers: $advice"
  command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null ||
    fail "There is no C++ compiler: $advice"
}

# Removes this checkout's environment; with "all", whatever bin/python has made.
remove_environment() {
  [ -d "$cache" ] || return 0
  if [ "${1:-}" = all ]; then
    say "removing all environments in $cache"
    rm -rf "$cache"/env-* "$cache"/rootfs-* "$cache/uv" "$cache/apt.log"
    rmdir "$cache" 2>/dev/null || true # the pipeline may keep files of its own in there
    return
  fi
  make_cache
  lock "$environment"
  say "removing $environment"
  rm -f "$environment/$complete" "$environment.log"
  rm -rf "$environment"
  unlock "$environment"
}
