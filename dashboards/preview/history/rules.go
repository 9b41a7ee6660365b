package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// ruleFile is a file of rules for Prometheus, without what a backfill does not need.
type ruleFile struct {
	Groups []ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	Name     string `yaml:"name"`
	Interval string `yaml:"interval,omitempty"`
	Rules    []rule `yaml:"rules"`
}

type rule struct {
	Record        string            `yaml:"record,omitempty"`
	Alert         string            `yaml:"alert,omitempty"`
	Expr          string            `yaml:"expr"`
	For           string            `yaml:"for,omitempty"`
	KeepFiringFor string            `yaml:"keep_firing_for,omitempty"`
	Labels        map[string]string `yaml:"labels,omitempty"`
}

// writeRules writes what is needed to fill in what a rule file would have recorded and fired. A backfill evaluates each rule
// against what Prometheus has already, so that rules that use the results of others come in a later round:
//
//   - round-1.yml, round-2.yml, …: the recording rules as they are. Those of a round use only the results of earlier ones;
//     there are as many files as rounds are needed, two for alerts/airflow.rules.yml.
//   - alerts.yml: ALERTS and ALERTS_FOR_STATE, which a backfill does not make of alerting rules, as recording rules. It is the
//     last round, because alerts use what was recorded.
//
// For each of them in turn, with the same DATA as that of the history, and Prometheus started anew after each so that it
// finds the new blocks:
//
//	promtool tsdb create-blocks-from rules --start 2026-10-05T06:00:00Z --end 2026-10-06T05:59:00Z --url … --output-dir DATA FILE
//
// The second of the minute at which promtool evaluates a group depends on the path of FILE as it is given: a relative one gives
// the same results wherever DIR is.
func writeRules(root *os.Root, path string) error {
	text, err := os.ReadFile(path) //nolint:gosec // the caller says which file
	if err != nil {
		return err
	}
	var file ruleFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	rounds, err := file.rounds()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for n, round := range rounds {
		if err := writeYAML(root, fmt.Sprintf("round-%d.yml", n+1), round); err != nil {
			return err
		}
	}
	alerts, err := file.alerts()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return writeYAML(root, "alerts.yml", alerts)
}

func writeYAML(root *os.Root, name string, file ruleFile) error {
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(file), encoder.Close()); err != nil {
		return err
	}
	return root.WriteFile(name, text.Bytes(), 0o640)
}

var seriesName = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`)

// rounds sorts the recording rules by what they use: each goes into the first round after those of all that it names.
func (f *ruleFile) rounds() ([]ruleFile, error) {
	round := map[string]int{}
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			if r.Record != "" {
				round[r.Record] = 1
			}
		}
	}
	last := min(len(round), 1)
	for pass, changed := 0, true; changed; pass++ {
		if pass > len(round) {
			return nil, errors.New("recording rules use each other in a circle: break it")
		}
		changed = false
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				for _, name := range seriesName.FindAllString(r.Expr, -1) {
					if r.Record != "" && round[name] > 0 && round[r.Record] <= round[name] {
						round[r.Record], changed = round[name]+1, true
						last = max(last, round[r.Record])
					}
				}
			}
		}
	}
	rounds := make([]ruleFile, last)
	for n := range rounds {
		for _, g := range f.Groups {
			of := ruleGroup{Name: g.Name, Interval: g.Interval}
			for _, r := range g.Rules {
				if r.Record != "" && round[r.Record] == n+1 {
					of.Rules = append(of.Rules, r)
				}
			}
			if len(of.Rules) > 0 {
				rounds[n].Groups = append(rounds[n].Groups, of)
			}
		}
	}
	return rounds, nil
}

// alerts turns each alerting rule into two recording rules.
func (f *ruleFile) alerts() (ruleFile, error) {
	group := ruleGroup{Name: "alerts", Interval: "1m"}
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			firing, state, err := r.asRecords()
			if err != nil {
				return ruleFile{}, fmt.Errorf("alert %s: %w", r.Alert, err)
			}
			group.Rules = append(group.Rules, firing, state)
		}
	}
	return ruleFile{Groups: []ruleGroup{group}}, nil
}

// alertStep is how often the alerting rules are taken to be evaluated.
const alertStep = time.Minute

// stateWindow is how far back the begin of an alert is looked for: as long as the history.
const stateWindow = 24 * time.Hour

// asRecords are the rules for ALERTS and ALERTS_FOR_STATE of an alerting rule that is evaluated once a minute. It fires when
// its expression had a result at each step of the last For, and as long as it did so within the last KeepFiringFor.
//
// ALERTS_FOR_STATE is an approximation. It is there only while the alert fires, not while it is pending, and its value, since
// when the alert is active, is the newest time at which it began to fire, less For; what began before the window of the
// search, or before the history, counts from there.
func (r *rule) asRecords() (firing, state rule, err error) {
	held, err := duration("for", r.For)
	if err != nil {
		return rule{}, rule{}, err
	}
	kept, err := duration("keep_firing_for", r.KeepFiringFor)
	if err != nil {
		return rule{}, rule{}, err
	}
	labels := map[string]string{"alertname": r.Alert}
	for name, value := range r.Labels {
		switch own := fmt.Sprintf("{{ $labels.%s }}", name); {
		case value == own: // the series has it
		case strings.Contains(value, "{{"):
			return rule{}, rule{}, fmt.Errorf("label %s: the template %q cannot be told in a recording rule: only %q can", name, value, own)
		default:
			labels[name] = value
		}
	}
	active := fmt.Sprintf("count_over_time((\n%s)[%s:1m]) >= %d", strings.TrimRight(r.Expr, "\n")+"\n", seconds(held+alertStep), held/alertStep+1)
	fires := fmt.Sprintf("max_over_time((%s)[%s:1m])", active, seconds(kept+alertStep))
	begins := fmt.Sprintf("time() - %d + 0 * (%s) unless max_over_time((%s)[%s:1m] offset 1m)",
		int(held.Seconds()), active, active, seconds(kept+alertStep))
	state = rule{
		Record: "ALERTS_FOR_STATE",
		Expr:   fmt.Sprintf("max_over_time((%s)[%s:1m]) and %s", begins, seconds(stateWindow), fires),
		Labels: labels,
	}
	firing = rule{Record: "ALERTS", Expr: fmt.Sprintf("clamp(%s, 1, 1)", fires), Labels: map[string]string{"alertstate": "firing"}}
	for name, value := range labels {
		firing.Labels[name] = value
	}
	return firing, state, nil
}

// duration reads a number of whole steps.
func duration(key, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d%alertStep != 0 {
		return 0, fmt.Errorf("%s %q: want whole minutes or hours", key, text)
	}
	return d, nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int(d.Seconds())) }
