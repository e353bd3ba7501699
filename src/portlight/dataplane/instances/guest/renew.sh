#!/bin/sh
# Asks the network's DHCP server again, at once: for one interface, or for all of them.
for file in /run/udhcpc.${1:-*}.pid; do
	[ ! -e "$file" ] || kill -USR1 "$(cat "$file")" || true
done
for file in /run/dhclient6.${1:-*}.pid; do
	[ -e "$file" ] || continue
	interface=${file#/run/dhclient6.}
	kill "$(cat "$file")"
	/bin/sh /run/guest/lease6.sh "${interface%.pid}" >/dev/null 2>&1 </dev/null &
done
exit 0
