#!/bin/sh
# Checks alertmanager.example.yml, and that it sends each alert of routes.txt where that file says. The arguments are the
# command that runs amtool: routes.sh amtool, or routes.sh go run github.com/prometheus/alertmanager/cmd/amtool@v0.28.1
set -u

if [ $# -eq 0 ]; then
	echo "usage: $0 <amtool command>" >&2
	exit 2
fi

tests=$(dirname "$0")
config=$tests/../alertmanager.example.yml
kept=0
broken=0

if ! told=$("$@" check-config "$config" 2>&1); then
	echo "$told"
	exit 1
fi

while read -r receiver labels; do
	case $receiver in '' | '#'*) continue ;; esac
	# Each label becomes an argument, and amtool must not read the promises that follow.
	# shellcheck disable=SC2086
	if told=$("$@" config routes test --config.file="$config" --verify.receivers="$receiver" $labels 2>&1 </dev/null); then
		kept=$((kept + 1))
	else
		broken=$((broken + 1))
		printf 'broken: %s %s\n%s\n' "$receiver" "$labels" "$told"
	fi
done <"$tests/routes.txt"

# An alert that nobody thought of when the routes were made is a broken promise, too.
alerts=$(awk '$2 == "alert:" { name = $3 } $1 == "severity:" { print "alertname=" name " severity=" $2 }' "$tests/../airflow.rules.yml" | sort -u)
while read -r alert; do
	if ! grep -Eq "^[a-z-]+ $alert( |\$)" "$tests/routes.txt"; then
		broken=$((broken + 1))
		echo "broken: there is no promise for ${alert:-the rules}"
	fi
done <<END
$alerts
END

echo "$kept promises of routing kept, $broken broken"
[ "$broken" -eq 0 ] && [ "$kept" -gt 0 ]
