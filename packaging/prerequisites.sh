#!/bin/sh
# Installs, as root on Debian and its kin, the packages that a build, the demo and the range need; else says what is missing.
# With the word tests also what the tests run against, with the word boot what boots systems (tests/packages), and with
# the word packages what builds packages from nothing, signs them, makes repositories, and looks them over.
set -eu

missing=""
need() { # need COMMAND-OR-FILE PACKAGE...
    probe=$1
    shift
    case $probe in
    /*) [ -e "$probe" ] || missing="$missing $*" ;;
    *) command -v "$probe" >/dev/null 2>&1 || [ -x "/usr/sbin/$probe" ] || missing="$missing $*" ;;
    esac
}

python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
need clang clang
need /usr/include/bpf/bpf_helpers.h libbpf-dev
need sshd openssh-server
need ssh openssh-client
need rsyslogd rsyslog
need sudo sudo
need ip iproute2
need setcap libcap2-bin
need curl curl
need busybox busybox-static
if [ "${1:-}" = boot ]; then
    need systemd-nspawn systemd-container
    need mmdebstrap mmdebstrap
    need apt-ftparchive apt-utils
fi
if [ "${1:-}" = tests ]; then
    need crontab cron
    need at at
    need logrotate logrotate
fi
if [ "${1:-}" = tests ] || [ "${1:-}" = packages ]; then
    need gpg gnupg
    need apt-ftparchive apt-utils
    need createrepo_c createrepo-c
    need rpm rpm
    need lintian lintian
    need rpmlint rpmlint
    need shellcheck shellcheck
    need mandoc mandoc
    need patch patch
    need objdump binutils
fi
if [ "${1:-}" = packages ]; then
    # What compiles the bundled Python and its libraries, beside the compiler, which is pinned: docs/runtime.md.
    need make make
    need m4 m4
    need perl perl
    need tclsh tcl
    need autoreconf autoconf
    need aclocal automake
    need libtoolize libtool
    need /usr/share/aclocal/ltdl.m4 libltdl-dev
    need pkg-config pkgconf
fi

# systemd mounts these at each boot; where none runs, rings could not outlive watch, nor system calls be traced.
if [ "${1:-}" = tests ] && [ "$(id -u)" = 0 ]; then
    for mount in bpf:/sys/fs/bpf tracefs:/sys/kernel/tracing; do
        if [ -d "${mount#*:}" ] && ! mountpoint -q "${mount#*:}"; then
            mount -t "${mount%%:*}" -o mode=700 "${mount%%:*}" "${mount#*:}" || echo "Not mounted: ${mount#*:}" >&2
        fi
    done
fi

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing$missing"
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of package names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    exit 0
fi
echo "Not installed:$missing. Sensors and tests that need them are skipped and named." >&2
echo "To have them: sudo apt-get install$missing" >&2
case $missing in *python3-venv*) exit 1 ;; esac
