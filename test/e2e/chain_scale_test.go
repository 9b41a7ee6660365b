//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// faster is by how much the chain's copies of the rules and of the Alertmanager's configuration are faster: a minute is a second.
const faster = 60

// recordedEvery is how rules turn sums of what is recorded every 60 s into numbers.
const recordedEvery = "60 * sum"

var (
	rangePattern    = regexp.MustCompile(`\[(\d+[smhdw])(?::(\d+[smhdw]))?\]`)
	durationPattern = regexp.MustCompile(`\b\d+(ms|[smhdwy])\b`)
)

// fasterRules divides the durations of a rule file: intervals, for, keep_firing_for, and in expressions the ranges and the
// interval of what is recorded. All else is untouched, so also the numbers that expressions compare ages with: the chain's
// Airflow tells of things that are old already.
func fasterRules(text []byte) ([]byte, error) {
	return edit(text, func(root *yaml.Node) error {
		groups := child(root, "groups")
		if groups == nil || len(groups.Content) == 0 {
			return errors.New("there are no rules")
		}
		for _, group := range groups.Content {
			if err := divide(group, "interval"); err != nil {
				return err
			}
			for _, rule := range child(group, "rules").Content {
				if err := divide(rule, "for", "keep_firing_for"); err != nil {
					return err
				}
				if err := fasterExpr(child(rule, "expr")); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func fasterExpr(expr *yaml.Node) error {
	var errs []error
	divided := rangePattern.ReplaceAllStringFunc(expr.Value, func(r string) string {
		parts := strings.Split(strings.Trim(r, "[]"), ":")
		for i := range parts {
			d, err := dividedBy(parts[i])
			errs = append(errs, err)
			parts[i] = d
		}
		return "[" + strings.Join(parts, ":") + "]"
	})
	if left := durationPattern.FindString(rangePattern.ReplaceAllString(expr.Value, "")); left != "" {
		errs = append(errs, fmt.Errorf("%s is a duration that is no range: %s", left, expr.Value))
	}
	expr.Value = strings.ReplaceAll(divided, recordedEvery, fmt.Sprintf("%d * sum", 60/faster))
	return errors.Join(errs...)
}

// fasterAlertmanager divides group_wait and group_interval, and lets each receiver that tells anyone anything tell a webhook
// below url instead, also of what is resolved. All else is untouched, so also repeat_interval: on a busy machine a situation
// could last for a sixtieth of that.
func fasterAlertmanager(text []byte, url string) ([]byte, error) {
	return edit(text, func(root *yaml.Node) error {
		route, receivers := child(root, "route"), child(root, "receivers")
		if route == nil || receivers == nil {
			return errors.New("there are no routes, or no receivers")
		}
		for _, receiver := range receivers.Content {
			name := child(receiver, "name")
			if name == nil || len(receiver.Content) == 2 {
				continue
			}
			var webhook yaml.Node
			if err := webhook.Encode([]map[string]any{{"url": url + "/" + name.Value, "send_resolved": true}}); err != nil {
				return err
			}
			receiver.Content = []*yaml.Node{{Kind: yaml.ScalarNode, Value: "name"}, name, {Kind: yaml.ScalarNode, Value: "webhook_configs"}, &webhook}
		}
		return fasterRoute(route)
	})
}

func fasterRoute(route *yaml.Node) error {
	errs := []error{divide(route, "group_wait", "group_interval")}
	if routes := child(route, "routes"); routes != nil {
		for _, r := range routes.Content {
			errs = append(errs, fasterRoute(r))
		}
	}
	return errors.Join(errs...)
}

// edit changes a YAML document.
func edit(text []byte, change func(root *yaml.Node) error) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	if len(document.Content) != 1 {
		return nil, errors.New("the file is empty")
	}
	if err := change(document.Content[0]); err != nil {
		return nil, err
	}
	return yaml.Marshal(&document)
}

// child is the value of a key of a mapping, nil if it is not there.
func child(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// divide divides the durations of those keys that a mapping has.
func divide(mapping *yaml.Node, keys ...string) error {
	for _, key := range keys {
		value := child(mapping, key)
		if value == nil {
			continue
		}
		d, err := dividedBy(value.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		value.Value = d
	}
	return nil
}

func dividedBy(duration string) (string, error) {
	d, err := model.ParseDuration(duration)
	if err != nil {
		return "", err
	}
	if time.Duration(d) < faster*time.Millisecond {
		return "", fmt.Errorf("%s is too short", duration)
	}
	return (d / faster).String(), nil
}
