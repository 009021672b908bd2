# The Debian root file system for a Linux that is too old, and how a program is run in it.
#
# mmdebstrap makes the root file system, bubblewrap enters it; nothing of the host changes. Inside,
# the programs and libraries (/usr) are Debian's; all else is the host's, at its own path: the
# project, the data, /etc with its CA bundle and pip settings, /dev with its GPUs, the network.
#
# Sourced by bin/python after environment.sh.

# Debian's public keys, for a host that is no Debian: its own copy, if any, may be too old to know
# the keys of this release.
keyring_package=pool/main/d/debian-archive-keyring/debian-archive-keyring_2025.1_all.deb
keyring_sha256=9ea7778e443144ca490668737a8ab22dd3e748bb99e805e22ec055abeb3c7fac

find_root() {
  root=$cache/rootfs-$(cat -- "$checkout/requirements/debian.txt" - <<<"$debian_suite 1" | digest)
}

is_root_complete() { [ -x "$root/usr/bin/python3" ]; } # it gets its name only when it is whole

check_sandbox_tools() {
  local packages="mmdebstrap bubblewrap uidmap" missing=
  [ "$(id -u)" -ne 0 ] || packages="mmdebstrap bubblewrap"
  is_root_complete || command -v mmdebstrap >/dev/null || missing=yes
  command -v bwrap >/dev/null || missing=yes
  is_root_complete || [ "$(id -u)" -eq 0 ] || command -v newuidmap >/dev/null || missing=yes
  if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || refuse "This Linux is older than glibc $oldest_glibc, and \
has no mmdebstrap and bubblewrap to make up for it."
    [ "$(id -u)" -eq 0 ] || fail "This Linux is older than glibc $oldest_glibc: a Debian root" \
      "file system makes up for it. Run this line, and start again:" \
      "sudo apt-get install -y $packages"
    log=$cache/apt.log
    : >"$log"
    step "installing $packages" install_debian_packages $packages
  fi
  if [ "$(id -u)" -ne 0 ] && ! is_root_complete && ! grep -q "^$(id -un):" /etc/subuid; then
    fail "$(id -un) has no row in /etc/subuid, which mmdebstrap needs. Run this line, and start" \
      "again: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un)"
  fi
  local error
  error=$(bwrap --ro-bind / / true 2>&1) ||
    refuse "bubblewrap may not work here (${error:-no reason given})."
}

install_debian_packages() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update || echo "apt-get update failed; trying with what is known" >&2
  apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
}

build_root() {
  lock "$root"
  if is_root_complete; then
    unlock "$root"
    return
  fi
  say "this Linux is older than glibc $oldest_glibc: a Debian root file system makes up for it," \
    "made once, in $root"
  log=$root.log
  : >"$log"
  unfinished=$root.partial
  step "making the Debian root file system" make_root "$root.partial"
  mv "$root.partial" "$root"
  unlock "$root"
}

# By way of a tar stream, so that every file is the caller's own: nobody else's user id is needed
# to enter or to delete it, and the caller's home may be closed to others.
make_root() {
  local packages mirror keyring= options=()
  packages=$(sed 's/#.*//' "$checkout/requirements/debian.txt" | tr -s ' \n' ',,')
  packages=${packages#,}
  rm -rf "$1" && mkdir "$1" || return
  options+=(--variant=minbase --format=tar "--include=${packages%,}")
  options+=("--dpkgopt=path-exclude=/usr/share/doc/*" "--dpkgopt=path-exclude=/usr/share/man/*")
  options+=("--dpkgopt=path-exclude=/usr/share/locale/*" --dpkgopt=force-unsafe-io)
  # PostgreSQL's package would make a cluster when it is installed; the tests make their own.
  options+=('--essential-hook=mkdir -p "$1/etc/postgresql-common" &&
    echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"')
  find_mirror
  if ! is_debian; then
    keyring=$(mktemp -d) && chmod 755 "$keyring" && fetch_keyring "$keyring" || return
    [ ! -d "$keyring/usr" ] || options+=("--keyring=$keyring/usr/share/keyrings")
  fi
  mmdebstrap "${options[@]}" "$debian_suite" - "$mirror" |
    tar --extract --no-same-owner --exclude='./dev/*' --directory "$1" || return
  [ -z "$keyring" ] || rm -rf "$keyring"
}

is_debian() { (. /etc/os-release && [ "$ID" = debian ]); }

# Sets mirror to the one that this machine's own apt uses if it is a Debian, else to Debian's own.
find_mirror() {
  local codename
  mirror=${BRAIN_MRI_DEBIAN_MIRROR:-}
  if [ -z "$mirror" ] && is_debian; then
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' \
      'Created-By: Packages' | awk -v codename="$codename" '
        ($1 == codename || $1 ~ /^(old)*stable$/) && $2 == "main" && $3 ~ /debian/ && !found {
          print $3
          found = 1
        }')
  fi
  mirror=${mirror:-http://deb.debian.org/debian}
  mirror=${mirror%/}
  echo "mirror: $mirror"
}

# Unpacks Debian's package of keys into the directory $1, checked by its hash. Without apt to
# fetch it (Fedora), the keys that came with the host's mmdebstrap have to do.
fetch_keyring() {
  local helper=/usr/lib/apt/apt-helper
  [ -x "$helper" ] && command -v dpkg-deb >/dev/null || return 0
  "$helper" download-file "$mirror/$keyring_package" "$1/keyring.deb" "SHA256:$keyring_sha256" &&
    dpkg-deb --extract "$1/keyring.deb" "$1"
}

# Sets view to the arguments that make up what a program sees inside.
set_view() {
  local entry name link
  view=(--ro-bind "$root/usr" /usr)
  for name in bin sbin lib lib64; do view+=(--symlink "usr/$name" "/$name"); done
  for entry in /*; do
    name=${entry#/}
    case $name in
      bin | sbin | lib | lib32 | lib64 | libx32 | usr | etc | dev | proc | sys) continue ;;
    esac
    if [ -L "$entry" ]; then
      link=$(readlink "$entry")
      view+=(--symlink "$link" "$entry")
    elif [ -d "$entry" ]; then
      view+=(--bind-try "$entry" "$entry")
    fi
  done
  for entry in /usr/local /usr/src; do # what a person puts there is no part of the system
    [ ! -d "$entry" ] || view+=(--bind "$entry" "$entry")
  done
  view+=(--dev-bind /dev /dev --proc /proc --ro-bind /sys /sys --ro-bind /etc /etc)
  for entry in /etc/alternatives /etc/ld.so.cache; do # these tell about /usr
    [ ! -e "$entry" ] || view+=(--ro-bind "$root$entry" "$entry")
  done
  [ ! -e /etc/ld.so.preload ] || view+=(--ro-bind /dev/null /etc/ld.so.preload)
  path=$environment/bin:/usr/bin:/bin
  libraries=
  [ ! -e /dev/nvidiactl ] || add_nvidia_driver
}

# The driver's libraries belong to the host's kernel module: they come from the host, alone in a
# directory, so that none of the host's other libraries comes along.
add_nvidia_driver() {
  local library
  while read -r library; do
    view+=(--ro-bind "$library" "/nvidia/${library##*/}")
    libraries=/nvidia
  done < <(PATH=$PATH:/sbin:/usr/sbin ldconfig -p |
    awk '/x86-64/ && $1 ~ /^lib(cuda|nvidia|nvcuvid)/ { print $NF }')
  if library=$(command -v nvidia-smi); then
    view+=(--ro-bind "$library" /nvidia/nvidia-smi)
    path=$path:/nvidia
  fi
}

# The commit, and whether it was changed, as components/code_version.py writes it.
checkout_commit() {
  local commit changed
  commit=$(git -C "$checkout" rev-parse --short=10 HEAD 2>/dev/null) || return 0
  changed=$(git -C "$checkout" status --porcelain --untracked-files=no 2>/dev/null)
  printf 'g%s%s' "$commit" "${changed:+.dirty}"
}

# Sets enter to the command that runs what follows it inside.
set_enter() {
  local variable
  case $PWD/ in
    /usr/local/* | /usr/src/*) ;;
    /usr/* | /bin/* | /sbin/* | /lib*/*)
      fail "$PWD is not visible in the Debian root file system: work in a directory outside /usr."
      ;;
  esac
  [ -d "$PWD" ] || fail "The current directory, $PWD, is gone: change to one that exists."
  set_view
  for variable in LD_LIBRARY_PATH LD_PRELOAD LANGUAGE LC_ALL LC_CTYPE LC_COLLATE LC_MESSAGES \
    LC_MONETARY LC_NUMERIC LC_TIME; do # the host's libraries and locales are not there
    view+=(--unsetenv "$variable")
  done
  view+=(--setenv PATH "$path" --setenv LANG C.UTF-8 --setenv BRAIN_MRI_INSIDE "$root")
  view+=(--setenv BRAIN_MRI_COMMIT "$(checkout_commit)") # there is no git inside
  [ -z "$libraries" ] || view+=(--setenv LD_LIBRARY_PATH "$libraries")
  [ -n "${OPENSSL_CONF:-}" ] || view+=(--setenv OPENSSL_CONF "$root/etc/ssl/openssl.cnf")
  enter=(bwrap "${view[@]}" --chdir "$PWD" --die-with-parent)
}

in_sandbox() {
  set_enter
  "${enter[@]}" "$@"
}

# Runs a program inside, in place of this shell as far as anyone can tell. bubblewrap stays between
# the two as a process that a signal would kill at once, leaving the program alone: so that one
# ignores signals, the program gets them at their defaults again (env), and this shell passes on
# those that were sent to it alone.
run_in_sandbox() {
  local name names ignored status=0 signals=()
  set_enter
  ignored=$(trap -p)
  for name in HUP INT QUIT TERM USR1 USR2; do # but for those that the caller ignores (nohup)
    case $ignored in *"SIG$name"*) ;; *) signals+=("$name") ;; esac
  done
  [ "${#signals[@]}" -gt 0 ] || exec "${enter[@]}" "$@"
  names=$(IFS=, && echo "${signals[*]}")
  received=
  for name in "${signals[@]}"; do trap "received=$name; pass_on $name" "$name"; done
  (
    trap '' "${signals[@]}"
    exec "${enter[@]}" /usr/bin/env "--default-signal=$names" -- "$@"
  ) <&0 &
  bubblewrap=$!
  wait "$bubblewrap" || status=$?
  while [ -n "$received" ]; do # it was the signal that ended the wait
    name=$received received= status=0
    wait "$bubblewrap" || status=$?
    if [ "$status" -eq $((128 + $(kill -l "$name"))) ] && [ -z "$received" ]; then
      trap - "$name" # the program died of it: so do we, for make and shells to see
      kill -s "$name" $$
    fi
  done
  exit "$status"
}

# Sends a signal on to the program, which may only just be starting.
pass_on() {
  local program= name=
  case $1 in INT | QUIT) if has_terminal; then return 0; fi ;; esac # its keys reach the program too
  while kill -0 "$bubblewrap" 2>/dev/null; do
    program=$(cat "/proc/$bubblewrap/task/$bubblewrap/children" 2>/dev/null) || break
    program=${program%% *}
    name=$(cat "/proc/${program:-none}/comm" 2>/dev/null) || name=
    case $name in "" | bash | bwrap | env) sleep 0.02 ;; *) break ;; esac # not the program yet
  done
  [ -z "$name" ] || kill -s "$1" "$program" 2>/dev/null || true
}

# Whether this process is in the group that a terminal sends its signals to.
has_terminal() {
  local stat fields
  stat=$(cat "/proc/$$/stat")
  read -ra fields <<<"${stat##*) }"
  [ "${fields[2]}" = "${fields[5]}" ]
}
