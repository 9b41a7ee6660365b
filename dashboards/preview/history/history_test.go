package main

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The history is played once for all that is said of it here.
func TestHistory(t *testing.T) {
	families := newFamilyCheck(t)
	invariants := newInvariants()
	records := records{}
	text := sha256.New()
	reader := labelReader{}
	var buffer []byte
	err := play(func(s scrape) (err error) {
		v := reader.view(s.samples)
		families.look(&s, reader)
		invariants.look(&s, v)
		records.keep(&s, v)
		buffer, err = writeSamples(text, s.samples, s.target(), s.at, buffer)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("has the families of the README, with their labels, and no other", families.check)
	t.Run("keeps what must always be so", invariants.check)
	t.Run("tells the story", func(t *testing.T) { checkStory(t, records) })
	t.Run("is the same each time", func(t *testing.T) { checkSame(t, text) })
}

// file hashes what is written into it but for the last line.
type file struct {
	name string
	hash hash.Hash
	last []byte
}

func (f *file) Write(text []byte) (int, error) {
	all := append(f.last, text...)
	keep := min(len(all), len(eof))
	f.hash.Write(all[:len(all)-keep])
	f.last = slices.Clone(all[len(all)-keep:])
	return len(text), nil
}

func (*file) Close() error { return nil }

const eof = "# EOF\n"

// checkSame plays the history again, into files.
func checkSame(t *testing.T, before hash.Hash) {
	again := sha256.New()
	var files []*file
	err := writeHistory(func(name string) (io.WriteCloser, error) {
		f := &file{name: name, hash: again}
		files = append(files, f)
		return f, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 12 || files[0].name != "2026-10-05T06.om" || files[11].name != "2026-10-06T04.om" {
		t.Fatalf("%d files, want one for each two hours from 2026-10-05T06.om to 2026-10-06T04.om", len(files))
	}
	for _, f := range files {
		if string(f.last) != eof {
			t.Errorf("%s ends with %q", f.name, f.last)
		}
	}
	if a, b := before.Sum(nil), again.Sum(nil); !slices.Equal(a, b) {
		t.Errorf("two runs differ: %x and %x", a, b)
	}
}

// exceptions are families that the README's table does not have, with the reason.
func exceptions() map[string][]string {
	return map[string][]string{
		// It comes with Prometheus' library for versions; the README names it below the table.
		"airflow_exporter_build_info": {"branch", "goarch", "goos", "goversion", "revision", "tags", "version"},
	}
}

// familyCheck compares what is written with the README's table.
type familyCheck struct {
	wanted map[string][]string // labels by name of series
	seen   map[string][]string
	wrong  map[string]string
	known  map[[2]string]struct{} // names and labels that were looked at
}

func newFamilyCheck(t *testing.T) *familyCheck {
	return &familyCheck{wanted: readmeTable(t), seen: map[string][]string{}, wrong: map[string]string{}, known: map[[2]string]struct{}{}}
}

var tableRow = regexp.MustCompile("(?m)^\\| `(airflow_[a-z_]+)` \\| (gauge|counter|histogram) \\| ([a-z_, ]*) \\|")

// readmeTable is the README's table, by the names that series have.
func readmeTable(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "<!-- metrics begin -->")
	table, _, _ = strings.Cut(table, "<!-- metrics end -->")
	wanted := exceptions()
	for _, row := range tableRow.FindAllStringSubmatch(table, -1) {
		name, labels := row[1], strings.FieldsFunc(row[3], func(r rune) bool { return r == ',' || r == ' ' })
		if row[2] != "histogram" {
			wanted[name] = labels
			continue
		}
		wanted[name+"_sum"], wanted[name+"_count"] = labels, labels
		wanted[name+"_bucket"] = append(slices.Clone(labels), "le")
	}
	if rows := strings.Count(table, "\n| `"); len(wanted) < rows || rows < 50 {
		t.Fatalf("read %d series names from the README's table of %d rows", len(wanted), rows)
	}
	return wanted
}

func (f *familyCheck) look(s *scrape, reader labelReader) {
	if target := reader.read(s.target()); target["cluster"] != s.site.cluster || target["job"] != "airflow" || target["instance"] == "" || len(target) != 3 {
		f.wrong["target"] = fmt.Sprintf("labels of the target: %q", target)
	}
	for _, one := range s.samples {
		key := [2]string{one.name, one.labels}
		if _, ok := f.known[key]; ok {
			continue
		}
		f.known[key] = struct{}{}
		labels := slices.Sorted(maps.Keys(reader.read(one.labels)))
		if seen, ok := f.seen[one.name]; ok && !slices.Equal(seen, labels) {
			f.wrong[one.name] = fmt.Sprintf("%s has the labels %q and %q", one.name, seen, labels)
		}
		f.seen[one.name] = labels
	}
}

func (f *familyCheck) check(t *testing.T) {
	for _, problem := range f.wrong {
		t.Error(problem)
	}
	for name, labels := range f.wanted {
		seen, ok := f.seen[name]
		if !ok {
			t.Errorf("%s is never written", name)
		} else if want := slices.Sorted(slices.Values(labels)); !slices.Equal(seen, want) {
			t.Errorf("%s has the labels %q, the README says %q", name, seen, want)
		}
	}
	for name := range f.seen {
		if _, ok := f.wanted[name]; !ok && strings.HasPrefix(name, "airflow_") {
			t.Errorf("%s is not in the README", name)
		}
	}
	for _, name := range []string{
		"up", "scrape_duration_seconds", "scrape_samples_scraped", "process_resident_memory_bytes", "process_cpu_seconds_total",
		"process_open_fds", "process_max_fds", "process_start_time_seconds", "go_goroutines",
	} {
		if _, ok := f.seen[name]; !ok {
			t.Errorf("%s is never written", name)
		}
	}
}
