#!/bin/sh
# Routes by source as soon as there are several interfaces, and stays to follow what DHCP and routers
# say; or takes tables and rules away. As `/run/guest/policy` says.
exec 8>/run/policy.lock
flock 8

follow() { # until it is told to end; whatever ends the follower, another one begins
	trap 'kill "$child" 2>/dev/null; wait "$child"; exit' TERM
	while :; do
		/bin/sh /run/guest/portlight-guest routes policy on --follow --force &
		child=$!
		wait "$child"
		sleep 1 &
		child=$!
		wait "$child"
	done
}

old=$(cat /run/policy.pid 2>/dev/null) && kill -0 "$old" 2>/dev/null || old=
if [ "$(cat /run/guest/policy)" = on ]; then
	set -- /sys/class/net/eth*
	[ -z "$old" ] && [ $# -gt 1 ] || exit 0
	(
		exec 8>&- # the lock is ours, not the follower's
		follow
	) >>/run/policy.log 2>&1 &
	echo $! >/run/policy.pid
elif [ -e /run/policy.pid ]; then
	[ -z "$old" ] || kill "$old"
	while [ -n "$old" ] && kill -0 "$old" 2>/dev/null; do sleep 0.02; done
	: >/run/policy.pid
	# As long as that file is there, it is tried again.
	/bin/sh /run/guest/portlight-guest routes policy off --force && rm /run/policy.pid
fi
