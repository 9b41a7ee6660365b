#!/usr/bin/env bash
# Starts a real Airflow 3 with example DAGs and the exporter on it; Ctrl-C ends both.
# Everything lives in .demo below the repository; the installation in it is kept.
#   AIRFLOW_PORT, EXPORTER_PORT  ports (default 8080 and 10112, or free ones)
#   PYTHON                       a Python 3.11 (default python3.11 or python3)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
repo=$PWD demo=$PWD/.demo
lock=$repo/test/e2e/locks/airflow-3.3.2.txt
began=$SECONDS
say() { printf '[%3d s] %s\n' $((SECONDS - began)) "$*"; }
fail() { say "$@" >&2; exit 1; }

for program in curl pgrep setsid; do
  command -v "$program" >/dev/null || fail "$program is missing"
done
python=${PYTHON:-$(command -v python3.11 || command -v python3 || true)}
[[ $("$python" -c 'import sys; print(*sys.version_info[:2], sep=".")' 2>/dev/null) == 3.11 ]] ||
  fail "this needs Python 3.11: name one in PYTHON"

# ---- what ends when this ends ------------------------------------------------
started=()
tree() { # a process and all that descend from it
  local child
  for child in $(pgrep -P "$1"); do tree "$child"; done
  echo "$1"
}
cleanup() {
  trap '' INT TERM
  if ((${#started[@]})); then
    say "stopping"
    local pids
    pids=$(for pid in "${started[@]}"; do tree "$pid"; done)
    # tasks would be waited for: nobody needs their result
    # shellcheck disable=SC2086
    kill -KILL $pids 2>/dev/null || true
    wait "${started[@]}" 2>/dev/null || true
  fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
start() { # name command...: apart from the terminal, so that Ctrl-C reaches only this script
  setsid "${@:2}" >"$demo/$1.log" 2>&1 </dev/null &
  started+=($!)
}
wait_for() { # seconds what command...
  local until=$((SECONDS + $1)) pid
  until "${@:3}" >/dev/null 2>&1; do
    for pid in "${started[@]}"; do
      kill -0 "$pid" 2>/dev/null || { tail -n 30 "$demo"/*.log >&2; fail "a process has ended, see $demo/*.log"; }
    done
    ((SECONDS < until)) || { tail -n 30 "$demo"/*.log >&2; fail "$2: not within $1 s"; }
    sleep 1
  done
}
port() { # preferred: that one, or a free one
  "$python" - "$1" <<'PY'
import socket, sys
for port in int(sys.argv[1]), 0:
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind(("127.0.0.1", port))
    except OSError:
        continue
    print(s.getsockname()[1])
    break
PY
}

# ---- Airflow -------------------------------------------------------------------
venv=$demo/venv
contents=$(cat "$lock"; "$python" --version; echo "$venv") # a virtual environment cannot be moved
if [[ $contents != "$(cat "$venv/contents" 2>/dev/null)" ]]; then
  say "installing Airflow 3.3.2 (about a minute)"
  rm -rf "$venv"
  mkdir -p "$demo"
  "$python" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$lock"
  echo "$contents" >"$venv/contents"
fi
airflow_port=${AIRFLOW_PORT:-$(port 8080)}
exporter_port=${EXPORTER_PORT:-$(port 10112)}
airflow=http://127.0.0.1:$airflow_port exporter=http://127.0.0.1:$exporter_port
rm -rf "$demo/home"
mkdir -p "$demo/home"
cp -r test/demo/dags "$demo/home/dags"
# the simple auth manager would make up passwords: these are known
echo '{"admin": "admin", "viewer": "viewer"}' >"$demo/home/passwords.json"
airflow_env=(
  PATH="$venv/bin:$PATH" PYTHONWARNINGS=ignore AIRFLOW_HOME="$demo/home"
  AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS=admin:admin,viewer:viewer
  AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE="$demo/home/passwords.json"
  AIRFLOW__CORE__LOAD_EXAMPLES=True
  AIRFLOW__CORE__EXECUTION_API_SERVER_URL="$airflow/execution/"
  AIRFLOW__CORE__PARALLELISM=8
  AIRFLOW__API__HOST=127.0.0.1 AIRFLOW__API__PORT="$airflow_port" AIRFLOW__API__BASE_URL="$airflow"
  AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL=300
  AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT="$(port 8793)" AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT="$(port 8794)"
)
say "starting Airflow on $airflow (log: $demo/airflow.log)"
start airflow env "${airflow_env[@]}" "$venv/bin/airflow" standalone
wait_for 180 "Airflow does not answer" curl -fsS "$airflow/api/v2/version"

say "triggering DAGs"
token=$(curl -fsS -H 'Content-Type: application/json' -d '{"username": "admin", "password": "admin"}' "$airflow/auth/token" |
  "$python" -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
api() { # method path json
  curl -fsS -X "$1" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d "$3" "$airflow/api/v2/$2"
}
api POST pools '{"name": "demo", "slots": 2}' >/dev/null
# waits for somebody to answer it, waits for another DAG, defers, fans out, runs all the time
for dag in demo_etl example_hitl_operator example_external_task_marker_child example_time_delta_sensor_async \
  example_dynamic_task_mapping; do
  wait_for 180 "$dag is not there" api PATCH "dags/$dag?update_mask=is_paused" '{"is_paused": false}'
  wait_for 60 "$dag cannot be triggered" api POST "dags/$dag/dagRuns" "{\"logical_date\": \"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"}"
done

# ---- the exporter ----------------------------------------------------------------
say "starting the exporter"
start exporter env AIRFLOW_EXPORTER_USERNAME=viewer AIRFLOW_EXPORTER_PASSWORD=viewer \
  ./airflow_exporter --airflow.url="$airflow" --web.listen-address="127.0.0.1:$exporter_port"
shows_tasks() { [[ $(curl -fsS "$exporter/metrics") == *$'\nairflow_task_instances{'* ]]; }
wait_for 120 "the exporter shows no task instances" shows_tasks
say "ready"
cat <<END

  metrics    $exporter/metrics
  Airflow    $airflow   (users admin/admin and viewer/viewer)
  logs       $demo/airflow.log $demo/exporter.log

  curl -s $exporter/metrics | grep -E '^airflow_(up|task_instances|pool_slots)[ {]'

Ctrl-C ends all of it.
END
wait -n "${started[@]}" || true
tail -n 30 "$demo"/*.log >&2
fail "a process has ended, see $demo/*.log"
