package collector

import (
	"fmt"
	"time"
)

// Config says how often Airflow is asked and how much of it is wanted. The
// YAML keys are those of the section "collector" of the configuration file.
type Config struct {
	// Refresh is how long a collection answers all scrapes: two Prometheus
	// servers then cost Airflow no more than one.
	Refresh time.Duration `yaml:"refresh"`
	// MaxAge is how long the last good value of a part is served while it
	// cannot be refreshed, on top of the part's own minimum age.
	MaxAge time.Duration `yaml:"max_age"`
	// CollectionTimeout ends a collection, whoever waits for it.
	CollectionTimeout time.Duration `yaml:"collection_timeout"`
	// MaxRows is how many unfinished task instances are listed at most; above
	// it they are only counted by state.
	MaxRows int `yaml:"max_rows"`

	// Sweep is how often each active run is asked what finished in it, even if
	// nothing was seen to move.
	Sweep time.Duration `yaml:"sweep"`
	// Fanout is how many task instances are asked for one by one in a
	// collection, for each purpose.
	Fanout int `yaml:"fanout"`
	// LookbackFanout is how many requests a listing of runs may be followed by
	// to learn the last runs of DAGs that have not run for a week, DAG by DAG.
	LookbackFanout int `yaml:"lookback_fanout"`
	// SeedHold is how long a new counter or histogram stays at 0 after its first
	// scrape, so that increase() sees its first count: at least the longest scrape interval.
	SeedHold time.Duration `yaml:"seed_hold"`
	// Histograms is HistogramsClassic, HistogramsNative or HistogramsBoth.
	Histograms string `yaml:"histograms"`
	// DurationBuckets and WaitBuckets are the bounds of the classic histograms.
	DurationBuckets []time.Duration `yaml:"duration_buckets"`
	WaitBuckets     []time.Duration `yaml:"wait_buckets"`

	// TaskLabels lets series be those of single tasks; else their task_id is
	// empty and they are the sums of their DAG.
	TaskLabels bool `yaml:"task_labels"`
	// DurationTaskLabels adds the task_id to run times.
	DurationTaskLabels bool `yaml:"duration_task_labels"`
	// MaxSeries is how many series there are at most, of all families that grow
	// with DAGs, buckets included. What is above counts as other. Nil: [DefaultMaxSeries].
	MaxSeries *int `yaml:"max_series"`

	Blocked BlockedConfig `yaml:"blocked"`
}

// BlockedConfig says whether and of whom Airflow is asked why it waits: a
// question that can change what it asks about.
type BlockedConfig struct {
	Enabled bool `yaml:"enabled"`
	// Stalled lets instances without a state be asked for, in runs in which nothing moves.
	Stalled bool `yaml:"stalled"`
	// After is how long an instance must have been scheduled.
	After time.Duration `yaml:"after"`
	// Refresh is how long an answer is kept.
	Refresh time.Duration `yaml:"refresh"`
}

// The kinds of histograms, for [Config.Histograms].
const (
	HistogramsClassic = "classic"
	HistogramsNative  = "native"
	HistogramsBoth    = "both"
)

// DefaultConfig has every default.
func DefaultConfig() Config {
	return Config{
		Refresh:           10 * time.Second,
		MaxAge:            2 * time.Minute,
		CollectionTimeout: time.Minute,
		MaxRows:           20_000,
		Sweep:             5 * time.Minute,
		Fanout:            10,
		LookbackFanout:    10,
		SeedHold:          time.Minute,
		TaskLabels:        true,
		Histograms:        HistogramsBoth,
		Blocked:           BlockedConfig{Enabled: true, Stalled: true, After: time.Minute, Refresh: 2 * time.Minute},
		DurationBuckets: []time.Duration{
			time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute,
			time.Hour, 3 * time.Hour, 6 * time.Hour, 24 * time.Hour,
		},
		WaitBuckets: []time.Duration{
			time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour,
		},
	}
}

// Validate reports the first thing that is wrong, naming the key and what to do.
func (c *Config) Validate() error {
	switch {
	case c.Refresh < 0:
		return fmt.Errorf("collector.refresh: %s, want 0s or more", c.Refresh)
	case c.MaxAge < 0:
		return fmt.Errorf("collector.max_age: %s, want 0s or more", c.MaxAge)
	case c.CollectionTimeout < time.Second:
		return fmt.Errorf("collector.collection_timeout: %s, want at least 1s", c.CollectionTimeout)
	case c.MaxRows < 1:
		return fmt.Errorf("collector.max_rows: %d, want at least 1", c.MaxRows)
	case c.Sweep < 30*time.Second:
		return fmt.Errorf("collector.sweep: %s, want at least 30s", c.Sweep)
	case c.Fanout < 1:
		return fmt.Errorf("collector.fanout: %d, want at least 1", c.Fanout)
	case c.LookbackFanout < 1:
		return fmt.Errorf("collector.lookback_fanout: %d, want at least 1", c.LookbackFanout)
	case c.SeedHold < 0:
		return fmt.Errorf("collector.seed_hold: %s, want 0s or more", c.SeedHold)
	case c.Histograms != HistogramsClassic && c.Histograms != HistogramsNative && c.Histograms != HistogramsBoth:
		return fmt.Errorf("collector.histograms: %q is none of classic, native and both", c.Histograms)
	case c.Blocked.After < 0:
		return fmt.Errorf("collector.blocked.after: %s, want 0s or more", c.Blocked.After)
	case c.Blocked.Refresh < 10*time.Second:
		return fmt.Errorf("collector.blocked.refresh: %s, want at least 10s", c.Blocked.Refresh)
	case !rising(c.DurationBuckets):
		return fmt.Errorf("collector.duration_buckets: want at least one bound, each larger than the one before")
	case !rising(c.WaitBuckets):
		return fmt.Errorf("collector.wait_buckets: want at least one bound, each larger than the one before")
	}
	return c.validateSeries()
}

func (c *Config) validateSeries() error {
	switch {
	case c.maxSeries() < minMaxSeries:
		return fmt.Errorf("collector.max_series: %d, want at least %d; leave it out for %d", c.maxSeries(), minMaxSeries, DefaultMaxSeries)
	case c.DurationTaskLabels && !c.TaskLabels:
		return fmt.Errorf("collector.duration_task_labels: true needs collector.task_labels: true")
	case c.DurationTaskLabels && c.MaxSeries == nil && c.Histograms != HistogramsNative:
		return fmt.Errorf("collector.duration_task_labels: true takes up to %d series for each task; set collector.histograms: native, or collector.max_series to what Prometheus may take",
			2*(len(c.DurationBuckets)+3))
	}
	return nil
}

func (c *Config) maxSeries() int {
	if c.MaxSeries == nil {
		return DefaultMaxSeries
	}
	return *c.MaxSeries
}

// rising reports whether there are bounds and each is larger than the one before, the first than 0.
func rising(bounds []time.Duration) bool {
	last := time.Duration(0)
	for _, b := range bounds {
		if b <= last {
			return false
		}
		last = b
	}
	return len(bounds) > 0
}
