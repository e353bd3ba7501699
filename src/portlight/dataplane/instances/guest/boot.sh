#!/bin/sh
# First process of a guest: makes its private file system view, then becomes init.
# Arguments: the guest's folder on the host, its host name, the host's folder of what it keeps.
# /proc is still the host's here, so the process ids written below are the host's.
set -eu
folder=$1
name=$2
kept=$3

# The lock is held for as long as any process of the guest lives: two inits are impossible.
exec 9>"$folder/lock"
flock -w 10 9 || exit 0
read -r line </proc/self/stat
# shellcheck disable=SC2086 -- one word per field is meant
set -- $line
shift 21
echo "${line%% *} $1" >"$folder/init.new"

# What portlight-guest remembers is this guest's own, not the host's. Before /run is the guest's:
# the host's folder may be there.
mkdir -p /var/lib/portlight-guest
mount -n --bind "$kept" /var/lib/portlight-guest

mount -n -t tmpfs -o mode=755 tmpfs "$folder/run"
mkdir "$folder/run/guest" "$folder/run/lock"
mount -n --bind "$folder" "$folder/run/guest"
mount -n --move "$folder/run" /run
mount -n -t proc proc /proc
mount -n -t sysfs sysfs /sys
hostname "$name"
for file in resolv.conf hosts hostname; do
	target=$(readlink -f "/etc/$file") || target=/etc/$file
	mkdir -p "${target%/*}"
	[ -e "$target" ] || : >"$target"
	mount -n --bind "/run/guest/$file" "$target"
done

# A reboot finds what the guest before it left in the namespace, and starts clean; its confirmed
# firewall rules are there before the first packet.
/bin/sh /run/guest/quiet.sh
[ ! -e /var/lib/portlight-guest/restore.sh ] || /bin/sh /var/lib/portlight-guest/restore.sh ||
	echo "the firewall rules could not be restored" >&2
ip link set dev lo up

# From here on the host knows us: written last, so that a known init has a complete view.
mv /run/guest/init.new /run/guest/init
exec tini -s -- /bin/sh /run/guest/run.sh
