#!/bin/sh
# What udhcpc calls at each change of its lease: address, routes, MTU, names, next renewal.

dotted() { # hexadecimal address of at most four bytes, padded with zeros
	hex=$(printf '%-8s' "$1" | tr ' ' 0)
	printf '%d.%d.%d.%d' "0x${hex%??????}" "0x$(echo "$hex" | cut -c3-4)" \
		"0x$(echo "$hex" | cut -c5-6)" "0x${hex#??????}"
}

route() { # destination, gateway
	# A number of its own for each interface: what one is told does not replace what another was.
	set -- "$1" "$2" metric "${interface#eth}"
	if [ "$2" = 0.0.0.0 ]; then
		ip -4 route replace "$1" dev "$interface" "$3" "$4"
	else
		ip -4 route replace "$1" via "$2" dev "$interface" onlink "$3" "$4"
	fi
}

renew_at_t1() { # seconds in hexadecimal; udhcpc itself knows only half of the lease
	old=$(cat "/run/timer.$interface.pid" 2>/dev/null) && kill "$old" 2>/dev/null
	[ -n "$1" ] || return
	client=$PPID
	(
		sleep "$(printf '%d' "0x$1")"
		kill -USR1 "$client"
	) >/dev/null 2>&1 &
	echo $! >"/run/timer.$interface.pid"
}

names() {
	: >"/run/resolv.$interface"
	[ -z "$search$domain" ] || echo "search ${search:-$domain}" >>"/run/resolv.$interface"
	for server in $dns; do echo "nameserver $server" >>"/run/resolv.$interface"; done
	# Written in place: the file is mounted over /etc/resolv.conf.
	cat /run/resolv.* >/run/guest/resolv.conf
}

case $1 in
deconfig)
	ip -4 address flush dev "$interface"
	ip link set dev "$interface" up
	;;
bound | renew)
	ip -4 -o address show dev "$interface" scope global | while read -r _ _ _ has _; do
		[ "$has" = "$ip/$mask" ] || [ ! -e "/run/leased.$interface" ] ||
			[ "$has" != "$(cat "/run/leased.$interface")" ] ||
			ip -4 address delete "$has" dev "$interface"
	done
	known=$(cat "/run/leased.$interface" 2>/dev/null)
	ip -4 address replace "$ip/$mask" broadcast + dev "$interface"
	echo "$ip/$mask" >"/run/leased.$interface"
	# Neighbours may remember whoever had the address before (RFC 5227, section 2.3).
	[ "$known" = "$ip/$mask" ] || arping -q -U -c 1 -w 1 -I "$interface" "$ip" &
	[ -z "$mtu" ] || ip link set dev "$interface" mtu "$mtu"
	# With classless routes (option 121) a client does not look at option 3 (RFC 3442).
	if [ -n "$staticroutes" ]; then
		# shellcheck disable=SC2086 -- a list of pairs
		set -- $staticroutes
		while [ $# -ge 2 ]; do
			route "$1" "$2"
			shift 2
		done
	else
		for gateway in $router; do
			route default "$gateway"
			break
		done
	fi
	names
	renew_at_t1 "$opt58"
	/bin/sh /run/guest/remedies.sh &
	;;
esac
exit 0
