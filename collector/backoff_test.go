package collector

import (
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// A scrape every 15 s for an hour, each collection ending alike: how much is asked?
func TestBackoffAsksLessOfWhoKeepsFailing(t *testing.T) {
	for name, tc := range map[string]struct {
		outcome outcome
		want    map[scope]int
	}{
		"well":        {letIn, map[scope]int{askLoginFirst: 1, askEverything: 239}},
		"unreachable": {unreachable, map[scope]int{askLoginFirst: 5, askHealthFirst: 235}},
		// Logins 1, 2, 4, 8, 10 … minutes apart: after the second failure at 15 s, at 1, 3, 7, 15, 25, 35, 45, 55 min and 15 s.
		"refused": {refused, map[scope]int{askLoginFirst: 2 + 8, askHealthOnly: 230}},
	} {
		t.Run(name, func(t *testing.T) {
			var b backoff
			got := map[scope]int{}
			start := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
			for i := range 240 {
				now := start.Add(time.Duration(i) * 15 * time.Second)
				s := b.scope(now, airflow.Secrets{})
				got[s]++
				b.note(now, s, airflow.Secrets{}, tc.outcome)
			}
			for s, n := range tc.want {
				if got[s] != n {
					t.Errorf("scope %d: %d times, want %d (all: %v)", s, got[s], n, got)
				}
			}
		})
	}
}

func TestBackoffEndsWithTheFirstAnswer(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for _, o := range []outcome{unreachable, refused} {
		var b backoff
		for range 20 {
			b.note(now, askEverything, airflow.Secrets{}, o)
		}
		if b.scope(now, airflow.Secrets{}) == askEverything {
			t.Errorf("outcome %d: everything is asked after 20 failures", o)
		}
		b.note(now, askLoginFirst, airflow.Secrets{}, letIn)
		if got := b.scope(now, airflow.Secrets{}); got != askEverything {
			t.Errorf("outcome %d: scope %d after an answer, want everything", o, got)
		}
	}
}

// What fails otherwise in between does not let refused credentials be tried sooner.
func TestRefusalsAreNotForgottenOverOtherFailures(t *testing.T) {
	var b backoff
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	tried := 0
	for i := range 4 * 60 * 24 {
		s := b.scope(now, airflow.Secrets{})
		o := unreachable
		if s != askHealthOnly && i%2 == 0 {
			tried++
			o = refused
		}
		b.note(now, s, airflow.Secrets{}, o)
		now = now.Add(15 * time.Second)
	}
	if tried > 150 {
		t.Errorf("%d refused logins in a day", tried)
	}
}

// A file with a secret that changes: what it holds now is tried at once and alone, but no oftener than what was refused.
func TestNewSecretsAreTriedAtOnce(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	first, second, third := airflow.Secrets{1}, airflow.Secrets{2}, airflow.Secrets{3}
	var b backoff
	expect := func(secrets airflow.Secrets, want scope, o outcome) {
		t.Helper()
		got := b.scope(now, secrets)
		if got != want {
			t.Fatalf("scope %d, want %d", got, want)
		}
		b.note(now, got, secrets, o)
	}
	expect(first, askLoginFirst, letIn)
	expect(first, askEverything, letIn)
	for range refusalsBeforeBackoff {
		expect(second, askLoginFirst, refused)
	}
	expect(second, askHealthOnly, unreachable)
	expect(third, askLoginFirst, refused)
	expect(third, askHealthOnly, unreachable)
	fourth := airflow.Secrets{4}
	expect(fourth, askLoginFirst, unreachable) // that tells nothing of them
	expect(fourth, askLoginFirst, refused)
	expect(fourth, askHealthOnly, unreachable)
	expect(first, askLoginFirst, letIn)
	expect(first, askEverything, letIn)
}
