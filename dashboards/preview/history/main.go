package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

// seed is that of all chance.
const seed = 20261005

// fileSeconds is how much time a file holds: a block of Prometheus.
const fileSeconds = 2 * 3600

func main() {
	out := flag.String("out", "", "write the history, two hours a file, into this directory")
	rules := flag.String("rules", "", "also write what these rules would have recorded and fired, as rules for a backfill")
	flag.Parse()
	if *out == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(*out, *rules); err != nil {
		fmt.Fprintln(os.Stderr, "history:", err)
		os.Exit(1)
	}
}

// write writes all files into a directory, which it makes if need be.
func write(dir, rules string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if rules != "" {
		if err := writeRules(root, rules); err != nil {
			return err
		}
	}
	return writeHistory(func(name string) (io.WriteCloser, error) { return root.Create(name) })
}

// scrape is what Prometheus got from one exporter at one time.
type scrape struct {
	at       int64
	site     *site
	samples  []sample
	exporter *exporter
}

// target is the labels that a scrape adds to all series.
func (s *scrape) target() string {
	return pairs("cluster", s.site.cluster, "instance", s.site.instance, "job", "airflow")
}

// play plays the history and hands over each scrape, in the order of time.
func play(take func(scrape) error) error {
	var exporters []*exporter
	for n, s := range []site{production(), staging()} {
		a, err := newAirflow(s, seed+uint64(n))
		if err != nil {
			return err
		}
		exporters = append(exporters, newExporter(a, seed+uint64(n)))
	}
	for now := simulationStart; now < historyEnd; now += scrapeInterval {
		for _, e := range exporters {
			for e.airflow.now < now {
				e.airflow.step()
			}
			samples := e.scrape(now)
			if now < historyStart {
				continue
			}
			if err := take(scrape{now, &e.airflow.site, samples, e}); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeHistory writes the scrapes into a file for each two hours.
func writeHistory(create func(name string) (io.WriteCloser, error)) error {
	var file io.Closer
	var w *bufio.Writer
	finish := func() error {
		if file == nil {
			return nil
		}
		_, err := w.WriteString("# EOF\n")
		return errors.Join(err, w.Flush(), file.Close())
	}
	var buffer []byte
	err := play(func(s scrape) error {
		if s.at%fileSeconds == 0 && s.site.cluster == "production" {
			if err := finish(); err != nil {
				return err
			}
			f, err := create(time.Unix(s.at, 0).UTC().Format("2006-01-02T15") + ".om")
			if err != nil {
				return err
			}
			file, w = f, bufio.NewWriterSize(f, 1<<20)
		}
		var err error
		buffer, err = writeSamples(w, s.samples, s.target(), s.at, buffer)
		return err
	})
	return errors.Join(err, finish())
}
