package airflow

import "testing"

func TestSecretsAreConcealedAsTheyAreQuoted(t *testing.T) {
	s := &sentSecrets{}
	s.header("Authorization", []string{"Basic dXNlcjpwYSJzcw=="}) // user:pa"ss
	s.header("X-Key", []string{"k3y/+"})
	s.header("Accept", []string{"application/json"})
	s.header("X-Short", []string{"on"})
	s.header(":authority", []string{"airflow.example.org"})
	for text, want := range map[string]string{
		`no secret on application/json of airflow.example.org`: `no secret on application/json of airflow.example.org`,
		`Authorization: Basic dXNlcjpwYSJzcw==`:                `Authorization: <secret>`,
		`just dXNlcjpwYSJzcw==.`:                               `just <secret>.`,
		`pa"ss`:                                                `<secret>`,
		`{"p": "pa\"ss"}`:                                      `{"p": "<secret>"}`,
		`"{\"p\": \"pa\\\"ss\"}"`:                              `"{\"p\": \"<secret>\"}"`,
		`?p=pa%22ss&k=k3y%2F%2B`:                               `?p=<secret>&k=<secret>`,
		`k3y/+`:                                                `<secret>`,
	} {
		if got := s.conceal(text); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}
