//go:build e2e && bench

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// results are what one run has measured.
type results struct {
	date                   time.Time
	about                  string
	load                   float64 // of the machine at most, while scrapes were measured
	histories              []int
	ours                   []cost // by history
	plugin, cursor, offset cost   // at the longest history
	microbenchmarks        []microbenchmark
}

// A target is what a comparison is to come to.
type target struct {
	what, figure string
	met          bool
}

func (r *results) targets() []target {
	last := len(r.ours) - 1
	atMost := func(what string, a, b time.Duration, limit float64) target {
		return target{what, fmt.Sprintf("1/%s", round(float64(b)/float64(a))), float64(b) >= limit*float64(a)}
	}
	growth := r.ours[last].rows/r.ours[0].rows - 1
	return []target{
		{fmt.Sprintf("rows of a scrape after %s and %s finished task instances differ by at most 1 %%", grouped(r.histories[0]), grouped(r.histories[last])),
			fmt.Sprintf("%+.2f %%", 100*growth), max(growth, -growth) <= 0.01},
		atMost("CPU of Airflow and its database, at most 1/20 of the plugin's", r.ours[last].airflows(), r.plugin.airflows(), 20),
		atMost("the same, at most 1/1000 of an exporter that lists everything", r.ours[last].airflows(), r.offset.airflows(), 1000),
		atMost("the longest wait of another user, at most 1/20 of the plugin's", r.ours[last].wait, r.plugin.wait, 20),
	}
}

// table is all that was measured, as Markdown.
func (r *results) table() string {
	var t strings.Builder
	last := len(r.ours) - 1
	fmt.Fprintf(&t, "%s, %s, load average up to %.0f.\n\n", r.date.UTC().Format(time.DateOnly), r.about, r.load)
	fmt.Fprintf(&t, "What one scrape costs, with %s finished task instances (≈: extrapolated from a few pages):\n\n", grouped(r.histories[last]))
	all := []cost{r.ours[last], r.plugin, r.cursor, r.offset}
	t.WriteString("| | airflow_exporter | airflow-exporter 2.1.0 (plugin) | Python, all pages by cursor | Python, all pages by offset |\n| --- | ---: | ---: | ---: | ---: |\n")
	row := func(name string, figure func(c cost) string) {
		fmt.Fprintf(&t, "| %s |", name)
		for _, c := range all {
			text := figure(c)
			if c.extrapolated && text != "" && !strings.HasPrefix(name, "series") {
				text = "≈ " + text
			}
			fmt.Fprintf(&t, " %s |", cmp.Or(text, "–"))
		}
		t.WriteByte('\n')
	}
	row("CPU of the API server", func(c cost) string { return duration(c.server) })
	row("CPU of the database", func(c cost) string { return duration(c.database) })
	row("**both**", func(c cost) string { return "**" + duration(c.airflows()) + "**" })
	row("times ours", func(c cost) string { return round(float64(c.airflows()) / float64(r.ours[last].airflows())) })
	row("SQL statements", func(c cost) string { return count(c.statements) })
	row("requests to the API", func(c cost) string { return count(c.requests) })
	row("rows from the API", func(c cost) string { return count(c.rows) })
	row("bytes from it, compressed if it does so", func(c cost) string { return count(c.bytes) })
	row("time until the answer", func(c cost) string { return duration(c.wall) })
	row("longest wait of another user's request", func(c cost) string { return duration(c.wait) })
	row("CPU of the exporter itself", func(c cost) string { return duration(c.exporter) })
	row("its memory at most", func(c cost) string { return mebibytes(c.memory) })
	row("series", func(c cost) string { return count(c.series) })

	t.WriteString("\nHow the cost of airflow_exporter grows with the history:\n\n| finished task instances | rows | requests | bytes | SQL statements | CPU of the API server | CPU of the database | own CPU | longest wait |\n" +
		"| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for i, c := range r.ours {
		fmt.Fprintf(&t, "| %s | %s | %.1f | %s | %s | %s | %s | %s | %s |\n", grouped(r.histories[i]), count(c.rows), c.requests, count(c.bytes), count(c.statements),
			duration(c.server), duration(c.database), duration(c.exporter), duration(c.wait))
	}
	t.WriteString("\nWhat it consists of, each question asked again by itself:\n\n| question | requests of a scrape | CPU of the API server | CPU of the database | SQL statements | bytes | longest answer |\n" +
		"| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, q := range r.ours[last].questions {
		fmt.Fprintf(&t, "| %s | %.1f | %s | %s | %.0f | %s | %s |\n", q.kind, q.requests, cmp.Or(duration(q.server), "–"), cmp.Or(duration(q.database), "–"),
			q.statements, grouped(int(q.bytes)), duration(q.wait))
	}
	t.WriteString("\n| target | measured | |\n| --- | ---: | --- |\n")
	for _, x := range r.targets() {
		fmt.Fprintf(&t, "| %s | %s | %s |\n", x.what, x.figure, map[bool]string{true: "met", false: "**missed**"}[x.met])
	}
	if len(r.microbenchmarks) > 0 {
		t.WriteString("\nBenchmarks of single steps, and how long each takes compared with the quickest of its group:\n\n| | | |\n| --- | --- | ---: |\n")
		for _, m := range r.microbenchmarks {
			fmt.Fprintf(&t, "| %s | %s | %s |\n", m.name, m.figures, m.times)
		}
	}
	return t.String()
}

// write replaces what is between the marks of a file.
func (r *results) write(file string) error {
	const begin, end = "<!-- measured: make bench writes what follows -->\n", "<!-- end of what was measured -->"
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, also := bytes.Cut(rest, []byte(end))
	if !ok || !also {
		return fmt.Errorf("%s lacks the lines %q and %q, between which the table belongs", file, strings.TrimSpace(begin), end)
	}
	return os.WriteFile(file, fmt.Appendf(nil, "%s%s\n%s\n%s%s", before, begin, r.table(), end, after), 0o644)
}

// about says on what was measured.
func (b *bench) about(ctx context.Context) (string, error) {
	var database string
	if err := b.pg.query(ctx, "postgres", `select to_json(split_part(current_setting('server_version'), ' ', 1))`, &database); err != nil {
		return "", err
	}
	revision, err := exec.CommandContext(ctx, "git", "-C", b.rig.root, "describe", "--always", "--dirty").Output()
	if err != nil {
		revision = []byte("unknown")
	}
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo")
	model := regexp.MustCompile(`model name\s*: (.*)`).FindStringSubmatch(string(cpuinfo))
	meminfo, _ := os.ReadFile("/proc/meminfo")
	var kib int64
	_, rest, _ := strings.Cut(string(meminfo), "MemTotal:")
	_, _ = fmt.Sscan(rest, &kib)
	processor := runtime.GOARCH
	if model != nil {
		processor = model[1]
	}
	return fmt.Sprintf("airflow_exporter %s, %s; Airflow %s, one worker; PostgreSQL %s; %d × %s, %d GiB of memory",
		bytes.TrimSpace(revision), runtime.Version(), b.airflow.version, database, runtime.NumCPU(), processor, (kib+1<<19)>>20), nil
}

// loadAverage is that of the last five minutes.
func loadAverage() (load float64) {
	b, _ := os.ReadFile("/proc/loadavg")
	_, _ = fmt.Sscan(string(b), new(float64), &load)
	return load
}

// A microbenchmark is one line of go test -bench.
type microbenchmark struct{ name, figures, times string }

// runBenchmarks runs those of single steps, if there are any.
func runBenchmarks(ctx context.Context, root string) ([]microbenchmark, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^Benchmark(Row|Scrape)", "-benchmem", "./airflow", "./collector")
	cmd.Dir = filepath.Clean(root)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("the benchmarks: %w\n%s", err, out)
	}
	return readBenchmarks(string(out)), nil
}

// readBenchmarks reads the lines "Benchmark<group>/<name>-<processors> <n> <figures>".
func readBenchmarks(out string) (all []microbenchmark) {
	quickest := map[string]float64{}
	found := regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op(.*)$`).FindAllStringSubmatch(out, -1)
	nanoseconds := func(m []string) float64 {
		ns, _ := strconv.ParseFloat(m[2], 64)
		return ns
	}
	for _, m := range found {
		group := path.Dir(m[1])
		quickest[group] = min(cmp.Or(quickest[group], nanoseconds(m)), nanoseconds(m))
	}
	for _, m := range found {
		figures := []string{m[2] + " ns/op"}
		for field := range strings.FieldsFuncSeq(m[3], func(r rune) bool { return r == '\t' }) {
			figures = append(figures, strings.TrimSpace(field))
		}
		all = append(all, microbenchmark{m[1], strings.Join(figures, ", "), fmt.Sprintf("%.2f", nanoseconds(m)/quickest[path.Dir(m[1])])})
	}
	return all
}

// round writes a number with two digits that count, or all before the point.
func round(x float64) string {
	switch {
	case x >= 100:
		return grouped(int(x + 0.5))
	case x >= 10:
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

// grouped writes a number with commas.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// count, duration and mebibytes write what was measured, and nothing when nothing was.
func count(x float64) string {
	if x == 0 {
		return ""
	}
	return grouped(int(x + 0.5))
}

func duration(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < 10*time.Second:
		return grouped(int(d.Milliseconds())) + " ms"
	}
	return round(d.Seconds()) + " s"
}

func mebibytes(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
