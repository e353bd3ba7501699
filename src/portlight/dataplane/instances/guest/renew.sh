#!/bin/sh
# Asks the network's DHCP server again, at once: for one interface, or for all of them.
for file in /run/udhcpc.${1:-*}.pid; do
	[ ! -e "$file" ] || kill -USR1 "$(cat "$file")" || true
done
while read -r interface _; do
	case ${1:-$interface} in "$interface") ;; *) continue ;; esac
	pid=$(cat "/run/dhclient6.$interface.pid" 2>/dev/null) && kill "$pid" 2>/dev/null
	# Without its lease it asks which address it has, not only whether the old one may stay.
	rm -f "/run/dhclient6.$interface.pid" "/run/dhclient6.$interface.leases"
	/bin/sh /run/guest/lease6.sh "$interface" >/dev/null 2>&1 </dev/null &
done </run/guest/interfaces
exit 0
