package main

import (
	"fmt"
	"slices"
	"testing"
)

func TestPanelsHaveIDsOfTheirOwn(t *testing.T) {
	for uid, b := range shown(t) {
		seen := map[int]string{}
		for _, p := range append(slices.Clone(b.Panels), b.drawn()...) {
			if other, ok := seen[p.ID]; p.ID == 0 || ok && other != p.Title {
				t.Errorf("%s: %q and %q have the id %d", uid, other, p.Title, p.ID)
			}
			seen[p.ID] = p.Title
		}
	}
}

func TestPanelsFillTheGridWithoutOverlap(t *testing.T) {
	for uid, b := range shown(t) {
		open := []shownPanel{}
		for _, p := range b.Panels {
			open = append(open, p)
			if p.Type == "row" && p.Collapsed {
				for _, wrong := range gaps(p.Panels) {
					t.Errorf("%s: row %s: %s", uid, p.Title, wrong)
				}
			}
		}
		for _, wrong := range gaps(open) {
			t.Errorf("%s: %s", uid, wrong)
		}
	}
}

// gaps are cells of the grid, between the first and the last panel, that are in no panel or in two.
func gaps(panels []shownPanel) []string {
	var wrong []string
	owners := map[[2]int][]string{}
	top, bottom := 1<<30, 0
	for _, p := range panels {
		top, bottom = min(top, p.GridPos.Y), max(bottom, p.GridPos.Y+p.GridPos.H)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				owners[[2]int{x, y}] = append(owners[[2]int{x, y}], p.Title)
			}
		}
		if p.GridPos.X+p.GridPos.W > 24 {
			wrong = append(wrong, p.Title+" leaves the grid")
		}
	}
	for y := top; y < bottom; y++ {
		for x := range 24 {
			if o := owners[[2]int{x, y}]; len(o) != 1 {
				wrong = append(wrong, fmt.Sprintf("column %d, line %d: %q", x, y, o))
			}
		}
	}
	return wrong
}

func TestGapsAndOverlapsAreFound(t *testing.T) {
	at := func(title string, x, y, w, h int) shownPanel {
		p := shownPanel{Title: title}
		p.GridPos.X, p.GridPos.Y, p.GridPos.W, p.GridPos.H = x, y, w, h
		return p
	}
	for want, panels := range map[string][]shownPanel{
		"[]":                             {at("a", 0, 0, 12, 2), at("b", 12, 0, 12, 2)},
		`[column 23, line 0: []]`:        {at("a", 0, 0, 12, 1), at("b", 12, 0, 11, 1)},
		`[column 11, line 0: ["a" "b"]]`: {at("a", 0, 0, 12, 1), at("b", 11, 0, 13, 1)},
		`[b leaves the grid]`:            {at("a", 0, 0, 12, 1), at("b", 12, 0, 13, 1)},
	} {
		if got := fmt.Sprint(gaps(panels)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A dashboard asks for all its open panels at once.
func TestNotTooManyPanelsAreOpen(t *testing.T) {
	for uid, b := range shown(t) {
		open := 0
		for _, p := range b.Panels {
			if p.Type != "row" {
				open++
			}
		}
		if open > 15 {
			t.Errorf("%s opens %d panels", uid, open)
		}
	}
}
