#!/bin/sh
# Makes a guest's namespace as silent as a machine without power: the kernel in it would go on to
# answer for addresses of processes that are gone.
ip -o link show | while IFS=' :@' read -r _ link _; do
	case $link in
	lo) ip link set dev lo down ;;
	eth[0-9]*) ip address flush dev "$link" && ip link set dev "$link" down ;;
	*) ip link delete dev "$link" 2>/dev/null || true ;;
	esac
done
! command -v nft >/dev/null || nft flush ruleset || true
