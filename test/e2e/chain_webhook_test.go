//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A webhook keeps what an Alertmanager tells.
type webhook struct {
	url  string
	mu   sync.Mutex // guards told
	told []notification
}

// A notification is one message about a group of alerts.
type notification struct {
	group   string   // with its receiver: "platform: cluster=api"
	cluster string   // of the alerts
	alerts  []string // "firing AirflowImportErrors"
	at      time.Time
}

// startWebhook serves until the test ends.
func startWebhook(t *testing.T) *webhook {
	h := &webhook{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var message struct {
			Receiver    string
			GroupLabels map[string]string
			Alerts      []struct {
				Status string
				Labels map[string]string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			t.Errorf("the webhook was told nonsense: %v", err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		n := notification{group: message.Receiver + ": " + labelText(message.GroupLabels), at: time.Now()}
		for _, a := range message.Alerts {
			n.cluster = a.Labels["cluster"]
			n.alerts = append(n.alerts, a.Status+" "+alertName(a.Labels))
		}
		slices.Sort(n.alerts)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.told = append(h.told, n)
	}))
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// of are the notifications about a cluster, in the order of their arrival.
func (h *webhook) of(cluster string) []notification {
	h.mu.Lock()
	defer h.mu.Unlock()
	var told []notification
	for _, n := range h.told {
		if n.cluster == cluster {
			told = append(told, n)
		}
	}
	return told
}

// alertName is the name of an alert with what tells it from others of the name, but for the DAG and the cluster.
func alertName(labels map[string]string) string {
	name := labels["alertname"]
	for _, key := range []string{"collector", "reason", "queue", "pool", "bundle"} {
		if v := labels[key]; v != "" {
			name += " " + v
		}
	}
	return name
}

// labelText writes labels as "a=1 b=2"; those that are empty are none.
func labelText(labels map[string]string) string {
	var list []string
	for k, v := range labels {
		if v != "" {
			list = append(list, k+"="+v)
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
