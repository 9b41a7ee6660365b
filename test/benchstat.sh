#!/usr/bin/env bash
# Compares the benchmarks of the working tree with those of the last tag, or of the commit that is given, in turns, so that
# whatever else the machine does harms both alike. benchstat says what differs by more than chance.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
base=${1:-$(git describe --tags --abbrev=0 2>/dev/null || true)}
[[ $base ]] || { echo "there is no tag yet: make benchstat BASE=<commit>" >&2; exit 2; }
made=$(mktemp -d)
trap 'git worktree remove --force "$made/base" 2>/dev/null; rm -rf "$made"' EXIT
git worktree add --quiet --detach "$made/base" "$base"
# Benchmarks that go on for long, or drive a real Airflow, are not among them.
run() { (cd "$1" && go test -run '^$' -bench '^Benchmark(Row|Scrape)$' -benchtime 200ms -benchmem ./airflow ./collector) >>"$made/$2.txt"; }
for _ in 1 2 3 4 5 6; do
  run "$made/base" base
  run . now
done
go run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da "base=$made/base.txt" "now=$made/now.txt"
