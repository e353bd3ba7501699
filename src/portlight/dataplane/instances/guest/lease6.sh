#!/bin/sh
# DHCPv6: starts the client for an interface, and is what the client calls at each change.

if [ -z "${reason:-}" ]; then
	interface=$1
	# What the network's subnets want: an address by DHCP, only names, or nothing.
	while read -r known client; do [ "$known" != "$interface" ] || wanted=$client; done \
		</run/guest/interfaces
	case ${wanted:-auto} in dhcp6) how= ;; info6) how=-S ;; *) exit 0 ;; esac
	# The client speaks from the link-local address, which must have passed its duplicate check.
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
		ip -6 -o address show dev "$interface" scope link -tentative | grep -q inet6 && break
		sleep 0.2
	done
	cp /run/guest/lease6.sh /run/lease6.sh && chmod +x /run/lease6.sh
	# shellcheck disable=SC2086 -- one option or none
	exec dhclient -6 $how -d -q -D LL -cf /dev/null -lf "/run/dhclient6.$interface.leases" \
		-pf "/run/dhclient6.$interface.pid" -sf /run/lease6.sh "$interface" >>/run/dhcp.log 2>&1
fi

case $reason in
PREINIT6) ip link set dev "$interface" up ;;
BOUND6 | RENEW6 | REBIND6)
	# Without an address it was asked for names only.
	if [ -n "$new_ip6_address" ]; then
		known=$(cat "/run/leased6.$interface" 2>/dev/null)
		[ -z "$known" ] || [ "$known" = "$new_ip6_address/$new_ip6_prefixlen" ] ||
			ip -6 address delete "$known" dev "$interface"
		ip -6 address replace "$new_ip6_address/$new_ip6_prefixlen" dev "$interface" \
			valid_lft "$new_max_life" preferred_lft "$new_preferred_life"
		echo "$new_ip6_address/$new_ip6_prefixlen" >"/run/leased6.$interface"
	fi
	if [ -n "$new_dhcp6_name_servers" ]; then
		for server in $new_dhcp6_name_servers; do echo "nameserver $server"; done \
			>"/run/resolv.$interface.6"
		cat /run/resolv.* >/run/guest/resolv.conf
	fi
	;;
EXPIRE6 | RELEASE6 | STOP6 | FAIL6)
	[ -z "$old_ip6_address" ] ||
		ip -6 address delete "$old_ip6_address/$old_ip6_prefixlen" dev "$interface"
	;;
esac
exit 0
