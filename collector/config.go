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
}

// DefaultConfig has every default.
func DefaultConfig() Config {
	return Config{
		Refresh:           10 * time.Second,
		MaxAge:            2 * time.Minute,
		CollectionTimeout: time.Minute,
		MaxRows:           20_000,
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
	}
	return nil
}
