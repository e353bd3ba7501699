#!/bin/sh
# The guest's own system: configures each ethN by DHCP as soon as its cable is in.
# Woken by the kernel's link events only; costs nothing while nothing happens.

start() { # interface
	pid=$(cat "/run/udhcpc.$1.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null && return
	udhcpc -f -i "$1" -p "/run/udhcpc.$1.pid" -s /run/guest/lease.sh \
		-x "hostname:$(hostname)" -R -t 5 -T 1 -A 2 -O 26 -O 58 -O 121 >>/run/dhcp.log 2>&1 &
	echo $! >"/run/udhcpc.$1.pid"
	/bin/sh /run/guest/lease6.sh "$1" &
	/bin/sh /run/guest/policy.sh
}

stop() { # interface
	for file in "/run/udhcpc.$1.pid" "/run/dhclient6.$1.pid" "/run/timer.$1.pid"; do
		pid=$(cat "$file" 2>/dev/null) && kill "$pid" 2>/dev/null
		rm -f "$file"
	done
	rm -f "/run/dhclient6.$1.leases" "/run/leased6.$1"
}

watch() {
	ip -o link show
	ip -o monitor link &
	# The monitor needs a moment until it listens: look once more for what came in between.
	sleep 0.3
	ip -o link show
	wait
}

remain() { # words of portlight-guest: a command that runs for as long as the guest does
	(until /bin/sh /run/guest/portlight-guest "$@"; do sleep 1; done) >>"/run/$1.log" 2>&1 &
}

[ ! -e /var/lib/portlight-guest/sshguard.json ] || remain sshguard run
watch | while read -r line; do
	case $line in Deleted*) gone=1 line=${line#Deleted } ;; *) gone= ;; esac
	link=${line#*: }
	link=${link%%[@:]*}
	case $link in eth[0-9]*) ;; *) continue ;; esac
	case $gone,$line in
	1,*) stop "$link" ;;
	*[\<,]LOWER_UP[,\>]*) start "$link" ;;
	*[\<,]UP[,\>]*) ;;
	*) ip link set dev "$link" up 2>/dev/null ;;
	esac
done
