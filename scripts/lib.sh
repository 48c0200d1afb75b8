# lib.sh: what the scripts share. Sourced, never run. All messages go to standard error.

set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Which fleet is meant, a script is told by its options; these are for the command line, and the nodes would take them.
unset METAFED_VAR METAFED_CONFIG METAFED_URL

say() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The name of the unprivileged user that runs the fleet when root starts it.
FLEET_USER=metafed

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"
	elif command -v sudo >/dev/null; then sudo "$@"
	else die "needs root (or sudo) for: $*"
	fi
}

# as_fleet USER CMD...: as that user; "" is ourselves.
as_fleet() {
	local user=$1
	shift
	if [ -n "$user" ]; then runuser -u "$user" -- "$@"; else "$@"; fi
}

absolute() {
	case $1 in
	/*) printf '%s\n' "$1" ;;
	*) printf '%s/%s\n' "$PWD" "$1" ;;
	esac | sed -e 's#/\./#/#g' -e 's#//*#/#g' -e 's#/$##'
}

random_secret() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

# write_secret FILE: standard input, readable by its owner only, whole or not at all.
write_secret() {
	(umask 077 && cat >"$1.new") && mv "$1.new" "$1"
}

# conf_sets FILE PART KEY: does that file set the key in that part?
conf_sets() {
	[ -e "$1" ] && awk -v part="$2" -v key="$3" '
		/^[ \t]*\[/ { gsub(/[][ \t]/, ""); now = $0; next }
		now == part && $0 ~ "^[ \t]*" key "[ \t]*=" { found = 1 }
		END { exit !found }' "$1"
}

# conf_value FILE PART KEY: what it is set to there; nothing when it is not.
conf_value() {
	awk -v part="$2" -v key="$3" '
		/^[ \t]*\[/ { gsub(/[][ \t]/, ""); now = $0; next }
		now == part && $0 ~ "^[ \t]*" key "[ \t]*=" { sub(/^[^=]*=[ \t]*/, ""); print }' "$1"
}

# has_ui URL: has the fleet there the dashboard? Not when it was built without (UI=no).
has_ui() (
	at=${1#http://} line=
	host=${at%:*}
	host=${host#[}
	exec 3<>"/dev/tcp/${host%]}/${at##*:}" || exit 1
	printf 'GET /ui/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$at" >&3
	read -r -t 5 line <&3 || true
	[[ $line != *' 404 '* ]]
) 2>/dev/null
