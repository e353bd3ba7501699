#!/bin/sh
# Routes by source as soon as there are several interfaces, and stays to follow what DHCP and routers
# say; or takes tables and rules away. As `/run/guest/policy` says.
exec 8>/run/policy.lock
flock 8
old=$(cat /run/policy.pid 2>/dev/null) && kill -0 "$old" 2>/dev/null || old=
if [ "$(cat /run/guest/policy)" = on ]; then
	set -- /sys/class/net/eth*
	[ -z "$old" ] && [ $# -gt 1 ] || exit 0
	/bin/sh /run/guest/portlight-guest routes policy on --follow --force >>/run/policy.log 2>&1 8>&- &
	echo $! >/run/policy.pid
elif [ -n "$old" ]; then
	kill "$old"
	while kill -0 "$old" 2>/dev/null; do sleep 0.02; done
	rm /run/policy.pid
	/bin/sh /run/guest/portlight-guest routes policy off --force
fi
