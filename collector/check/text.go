package check

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/collector/terminal"
)

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	r.writeHead(&b)
	r.writeTable(&b)
	r.writeFailures(&b)
	for _, warning := range r.Warnings {
		fmt.Fprintf(&b, "\nWarning: %s.\n", warning)
	}
	fmt.Fprintf(&b, "\n%s\n", r.verdict())
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeHead(b *strings.Builder) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	line := func(key, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", key, terminal.Line(fmt.Sprintf(format, args...)))
	}
	line("Airflow", "%s", r.URL)
	if r.Version.Number != "" {
		line("Version", "%s, API %s", r.Version.Number, r.Version.API)
	}
	line("Account", "%s", r.Account.text(r.Version))
	audited := ""
	if r.List == airflow.ListBatch && r.Version.API == "v2" {
		audited = "; each listing leaves a row in Airflow's audit log"
	}
	line("Listings", "airflow.list: %s%s", r.List, audited)
	if r.Skew != nil {
		line("Clock", "%s", clockText(*r.Skew))
	}
	if r.VisibleDags != nil {
		line("DAGs", "%d visible; those that the account may not read Airflow leaves out without a word", *r.VisibleDags)
	}
	_ = t.Flush() // into memory
}

func clockText(skew time.Duration) string {
	if skew == 0 {
		return "agrees with Airflow's, as far as HTTP tells"
	}
	return fmt.Sprintf("%s %s Airflow's", skew.Abs().Round(time.Second), aheadOf(skew))
}

func (r *Report) writeTable(b *strings.Builder) {
	fmt.Fprintln(b)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RESULT\tQUESTION\tREQUEST\tFOR\tTOOK\tANSWER")
	for _, result := range r.Results {
		outcome, took := string(result.Outcome), result.Took.Round(time.Millisecond).String()
		if result.Outcome == Failed {
			outcome = "FAILED"
		}
		if result.Outcome == NotTried {
			took = "-"
		}
		fmt.Fprintln(t, strings.Join([]string{outcome, result.Name, result.Request, result.Part, took, terminal.Line(result.Note)}, "\t"))
	}
	_ = t.Flush()
	text := b.String()
	b.Reset()
	for line := range strings.Lines(text) { // the last column may be empty
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
}

// writeFailures writes each piece of advice once, below all that it is about.
func (r *Report) writeFailures(b *strings.Builder) {
	var advice []string
	about := map[string][]Result{}
	for _, result := range r.Results {
		if result.Outcome != Failed {
			continue
		}
		if about[result.Advice] == nil {
			advice = append(advice, result.Advice)
		}
		about[result.Advice] = append(about[result.Advice], result)
	}
	for _, text := range advice {
		fmt.Fprintln(b)
		for _, result := range about[text] {
			fmt.Fprintf(b, "%s: %s\n", result.Name, terminal.Line(result.Problem))
			if len(result.MissingRights) > 0 {
				fmt.Fprintf(b, "  missing right: %s\n", strings.Join(result.MissingRights, ", "))
			}
		}
		fmt.Fprintf(b, "  -> %s\n", terminal.Line(text))
	}
}

// verdict is the last line.
func (r *Report) verdict() string {
	needed, optional := r.failed(true), r.failed(false)
	switch {
	case r.reason == stoppedUnreachable:
		return "Could not ask: " + r.Stopped + "."
	case r.reason == stoppedRefused:
		return "Could not ask: " + r.Stopped + "."
	case r.Stopped != "":
		return "Not ready: " + r.Stopped + "."
	case len(needed) > 0:
		return "Not ready: these failed, and the exporter needs them: " + names(needed) + "."
	case len(optional) > 0:
		return "Ready. Only airflow_exporter explain would miss: " + names(optional) + "."
	}
	return "Ready: the account may read all that the exporter needs."
}

func names(results []Result) string {
	var list []string
	for _, r := range results {
		list = append(list, r.Name)
	}
	return strings.Join(list, ", ")
}
