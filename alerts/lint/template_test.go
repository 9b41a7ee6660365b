package lint

import (
	"slices"
	"testing"
)

func TestUsesOfATemplate(t *testing.T) {
	for text, want := range map[string]templateUse{
		`plain`:                   {plain: 5},
		`{{ $labels.a }}!`:        {labels: []string{"a"}, plain: 1},
		`{{ .Labels.a }}`:         {labels: []string{"a"}},
		`{{ $.Labels.a }}`:        {labels: []string{"a"}},
		`{{ $value }}`:            {value: true},
		`{{ .Value }}`:            {value: true},
		`{{ $value | humanize }}`: {value: true},
		`{{ printf "%s" ($labels.a | toUpper) }}`:                            {labels: []string{"a"}},
		`{{ with $labels.a }} {{ . }}{{ else }}{{ $labels.b }}{{ end }}`:     {labels: []string{"a", "b"}, plain: 1},
		`{{ with $labels }}{{ .a }}{{ end }}`:                                {labels: []string{"a"}},
		`{{ with $labels.a }}{{ .b }}{{ end }}`:                              {labels: []string{"a"}},
		`{{ if eq $labels.a "x" }}{{ .Labels.b }}{{ end }}`:                  {labels: []string{"a", "b"}},
		`{{ if gt $value 1.0 }}many{{ end }}`:                                {value: true, plain: 4},
		`{{ $l := $labels }}{{ $l.a }}`:                                      {labels: []string{"a"}},
		`{{ index $labels "a" }}`:                                            {labels: []string{"a"}},
		`{{ range $k, $v := $labels }}{{ $k }}={{ $v.x }},{{ end }}`:         {plain: 2},
		`{{ range query "up" }}{{ .Labels.x }}{{ .Value }}{{ end }}`:         {},
		`{{ range query "up" }}{{ $labels.a }}{{ $value }}{{ end }}`:         {labels: []string{"a"}, value: true},
		`{{ range query "up" }}{{ with .Labels }}{{ .a }}{{ end }}{{ end }}`: {},
	} {
		t.Run(text, func(t *testing.T) {
			got, err := useOf(text)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.labels, want.labels) || got.value != want.value || got.plain != want.plain {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
	if _, err := useOf(`{{ $labls.a }}`); err == nil {
		t.Error("an unknown variable is no error")
	}
}
