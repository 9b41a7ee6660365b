#!/usr/bin/env bash
# Draws the dashboards on a made-up history, from nothing: see README.md. Arguments are those of shoot.mjs and come after
# the ones below. KEEP=1 leaves the history and Prometheus' log behind and says where.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dashboards=$(dirname "$here")
root=$(dirname "$dashboards")
tools=$root/.tools
version=v0.316.0

work=$(mktemp -d)
prometheus=
running=
finish() {
  if [ -n "$running" ]; then
    kill "$running" 2>/dev/null || true
  fi
  stop_prometheus
  if [ "${KEEP:-}" = 1 ]; then
    echo "kept: $work"
  else
    rm -rf "$work"
  fi
}
stop_prometheus() {
  if [ -n "$prometheus" ]; then
    kill "$prometheus" 2>/dev/null || true
    wait "$prometheus" 2>/dev/null || true
    prometheus=
  fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs what takes long. bash lets a trap wait for a command in the foreground, but not for the builtin wait.
run() {
  "$@" &
  running=$!
  local status=0
  wait "$running" || status=$?
  running=
  return "$status"
}

# Without its service discovery Prometheus is built in half the time.
for tool in promtool prometheus; do
  if [ ! -x "$tools/$tool" ]; then
    GOBIN=$tools go install -tags remove_all_sd "github.com/prometheus/prometheus/cmd/$tool@$version"
  fi
done

cd "$here"
# Grafana's packages ask for older versions of React than they work with, which a plain install refuses.
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  npm ci --legacy-peer-deps --no-audit --no-fund
fi
if [ ! -f dist/index.html ] || [ -n "$(find src index.html vite.config.mjs package-lock.json -newer dist/index.html)" ]; then
  npm run --silent build
fi

(cd "$dashboards" && go run ./preview/history -out "$work/history" -rules "$root/alerts/airflow.rules.yml")
mkdir "$work/data"
for file in "$work"/history/*.om; do
  "$tools/promtool" tsdb create-blocks-from openmetrics "$file" "$work/data" >>"$work/promtool.log"
done

port=$(node -e '
  const server = require("net").createServer().listen(0, "127.0.0.1", () => {
    console.log(server.address().port);
    server.close();
  });')
url=http://127.0.0.1:$port
echo '{}' >"$work/prometheus.yml"

start_prometheus() {
  "$tools/prometheus" --config.file="$work/prometheus.yml" --web.listen-address="127.0.0.1:$port" \
    --storage.tsdb.path="$work/data" --storage.tsdb.retention.time=100y --query.lookback-delta=60s \
    >>"$work/prometheus.log" 2>&1 &
  prometheus=$!
  until curl -fs -o /dev/null "$url/-/ready"; do
    if ! kill -0 "$prometheus" 2>/dev/null; then
      tail -n 20 "$work/prometheus.log" >&2
      exit 1
    fi
    sleep 0.1
  done
}

# What rules recorded is filled in from what is there already, so each round needs a Prometheus that has read the last one.
# The second at which a group is evaluated goes by the path of its file as it is given: a bare name gives the same numbers each time.
start_prometheus
cd "$work/history"
for rules in round-*.yml alerts.yml; do
  run "$tools/promtool" tsdb create-blocks-from rules --start 2026-10-05T06:00:00Z --end 2026-10-06T05:59:00Z \
    --url "$url" --output-dir "$work/data" --eval-interval 1m "$rules" >>"$work/promtool.log" 2>&1 ||
    { tail -n 20 "$work/promtool.log" >&2; exit 1; }
  stop_prometheus
  start_prometheus
done
cd "$here"

# The night as somebody on call sees it at 05:40, and the DAG that is broken by itself.
run node shoot.mjs --dashboards "$dashboards" --prometheus "$url" --out "$dashboards/pictures" \
  --from 2026-10-05T23:00:00Z --to 2026-10-06T05:40:00Z \
  --vars 'airflow-dag:airflow=production,dag=customer_churn' "$@"
