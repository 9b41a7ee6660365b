package collector

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// needLogin are the parts that need a login.
var needLogin = []string{"task_instances", "dag_runs", "dags", "attempts", "blocked", "pools", "import_errors"}

// healWorld is a truth world whose tested exporter has an account of its own.
type healWorld struct {
	*truthWorld
	account *airflowtest.User
	file    string // with its password, or its token
	y       *healTally
}

// healTally counts over all incidents.
type healTally struct {
	mu                     sync.Mutex
	incidents, late, wrong int
	perIncident, perScrape int // logins
	atOnce                 int // refused requests of a scrape that could not know of it
}

// incident is something that keeps Airflow from accepting the exporter, for a while.
type incident struct {
	name    string
	mayFlag []string      // what may be missing; nil: it heals in the same scrape
	life    time.Duration // of tokens; 0: each scrape needs a new one
	byToken bool          // the file holds a token
	only    string        // the major version of Airflow that knows it; empty: both
	lasts   bool          // it is worth trying for long, too
	unseen  bool          // only Airflow knows of it, so that all parts ask on
	begin   func(w *healWorld) (end func())
}

const (
	oneScrape = truthStep - time.Minute // the life of a token that must be renewed for each
	oneDay    = 24 * time.Hour
)

func incidents() []incident {
	holds := func(content string) func(w *healWorld) func() {
		return func(w *healWorld) func() {
			was, err := os.ReadFile(w.file)
			w.must(err)
			w.write(w.file, content)
			return func() { w.write(w.file, string(was)) }
		}
	}
	missing := func(w *healWorld) func() {
		w.must(os.Rename(w.file, w.file+".away"))
		return func() { w.must(os.Rename(w.file+".away", w.file)) }
	}
	newToken := func(w *healWorld) func() {
		w.airflow.RotateKey()
		return func() { w.write(w.file, w.airflow.Token(w.account.Name)) }
	}
	tokens := append(slices.Clone(needLogin), "health") // an empty token is never sent
	list := []incident{
		{name: "the file is empty", mayFlag: needLogin, lasts: true, begin: holds("")},
		{name: "the file is blank", mayFlag: needLogin, begin: holds(" \n")},
		{name: "half of the file is written", mayFlag: needLogin, lasts: true, begin: holds("rig")},
		{name: "the file is missing", mayFlag: needLogin, begin: missing},
		{name: "the file is missing, while the token is good", life: oneDay, only: "3", begin: missing},
		{name: "the password is new in Airflow first", mayFlag: needLogin, lasts: true, unseen: true, begin: func(w *healWorld) func() {
			w.account.Password = rand.Text()
			return func() { w.write(w.file, w.account.Password) }
		}},
		{name: "the password is new in the file first", mayFlag: needLogin, begin: func(w *healWorld) func() {
			password := rand.Text()
			w.write(w.file, password)
			return func() { w.account.Password = password }
		}},
		{name: "the file with a token is empty", mayFlag: tokens, life: oneDay, byToken: true, only: "3", begin: holds("")},
		{name: "the file with a token holds another one", mayFlag: needLogin, life: oneDay, byToken: true, only: "3", begin: holds("e30.e30.e30")},
		{name: "the file with a token is missing", mayFlag: tokens, life: oneDay, byToken: true, only: "3", begin: missing},
		{name: "the token in the file is of an old key", mayFlag: tokens, life: oneDay, byToken: true, only: "3", lasts: true, begin: newToken},
		{name: "a new key", life: oneDay, only: "3", begin: func(w *healWorld) func() { w.airflow.RotateKey(); return func() {} }},
		{name: "two replicas with two keys", mayFlag: needLogin, life: oneDay, only: "3", lasts: true, begin: (*healWorld).twoKeys},
		{name: "no right to anything", mayFlag: needLogin, lasts: true, begin: func(w *healWorld) func() { return w.revoke(0) }},
		{name: "no right to pools", mayFlag: []string{"pools"}, begin: func(w *healWorld) func() { return w.revoke(airflowtest.Viewer &^ airflowtest.ReadPools) }},
		{name: "no right to task instances", mayFlag: []string{"task_instances", "attempts", "blocked"}, begin: func(w *healWorld) func() {
			return w.revoke(airflowtest.Viewer &^ airflowtest.ReadTaskInstances)
		}},
	}
	for name, fault := range map[string]airflowtest.Fault{"500": airflowtest.Status(500, nil, ""), "503": airflowtest.Status(503, nil, ""), "a reset": airflowtest.Reset(), "nothing": airflowtest.Hang(), "a page": airflowtest.LoginPage()} {
		begin := func(w *healWorld) func() { return w.airflow.Inject(asking("token"), fault) }
		list = append(list, incident{name: "the token endpoint answers with " + name, mayFlag: needLogin, only: "3", lasts: name == "503", begin: begin},
			incident{name: "the token endpoint answers with " + name + ", while the token is good", life: oneDay, only: "3", begin: begin})
	}
	return list
}

// twoKeys lets every other request come to a replica that has another key.
func (w *healWorld) twoKeys() func() {
	keys, requests := [2]string{w.airflow.Key(), rand.Text()}, atomic.Int64{}
	remove := w.airflow.Inject(func(r *http.Request) bool {
		turn := int64(0)
		if r.Header.Get(markHeader) != "" {
			turn = requests.Add(1) % 2
		}
		w.airflow.SetKey(keys[turn])
		return false
	}, airflowtest.Fault{})
	return func() {
		remove()
		w.airflow.SetKey(keys[0])
	}
}

// revoke leaves the account with some rights.
func (w *healWorld) revoke(left airflowtest.Rights) func() {
	w.account.Rights = left
	return func() { w.account.Rights = airflowtest.Viewer }
}

// Whatever becomes of credentials: when they are good again the next scrape
// tells everything, nothing wrong was told meanwhile, and hardly anyone logged in.
func TestLoginsHeal(t *testing.T) {
	t.Parallel()
	lengthy(t)
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	y := &healTally{}
	t.Run("incidents", func(t *testing.T) {
		for _, kind := range truthKinds {
			for _, like := range [][]incident{ofKind(kind, oneScrape, false), ofKind(kind, oneDay, false), ofKind(kind, oneDay, true)} {
				if len(like) == 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%v", kind.name, like[0].life, like[0].byToken), func(t *testing.T) {
					t.Parallel()
					inHealWorld(t, kind, &like[0], y, func(w *healWorld) {
						for _, i := range like {
							w.meet(&i, 1)
							if i.lasts {
								w.meet(&i, 6) // after five refusals it is tried less often
							}
						}
					})
				})
			}
			if kind.version[0] == '3' {
				t.Run(kind.name+"/in the middle of a walk", func(t *testing.T) {
					t.Parallel()
					inHealWorld(t, kind, &incident{life: oneDay}, y, (*healWorld).meetEverywhere)
				})
			}
		}
	})
	fmt.Printf("FIGURE C17 late_recoveries=%d wrong_samples=%d most_logins_per_incident=%d most_logins_per_scrape=%d most_refused_at_once=%d incidents=%d\n",
		y.late, y.wrong, y.perIncident, y.perScrape, y.atOnce, y.incidents)
	if y.late+y.wrong > 0 || y.perIncident > 2 || y.perScrape > 1 || y.atOnce > 5 || y.incidents < 130 {
		t.Errorf("beyond what is promised: %+v", y)
	}
}

// ofKind are the incidents that can happen in a world.
func ofKind(kind truthKind, life time.Duration, byToken bool) []incident {
	var list []incident
	for _, i := range incidents() {
		i.life = cmp.Or(i.life, oneScrape)
		if i.life == life && i.byToken == byToken && (i.only == "" || i.only == kind.version[:1]) {
			list = append(list, i)
		}
	}
	return list
}

func inHealWorld(t *testing.T, kind truthKind, i *incident, y *healTally, test func(w *healWorld)) {
	w := &healWorld{file: filepath.Join(t.TempDir(), "secret"), y: y}
	accounts := append(slices.Clone(users), airflowtest.User{Name: "healed", Password: "right", Rights: airflowtest.Viewer})
	w.account = &accounts[len(accounts)-1]
	if err := os.WriteFile(w.file, []byte("right"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := airflowtest.Options{Users: accounts, TokenLifetime: i.life}
	tested := func(o *Options) {
		o.Config.Fanout = 1000 // what a long incident leaves is no matter of this test
		o.Airflow.Username, o.Airflow.Password, o.Airflow.PasswordFile = w.account.Name, "", w.file
		if i.byToken {
			o.Airflow.Username, o.Airflow.PasswordFile = "", ""
			o.Airflow.HTTPClient.Authorization = &promconfig.Authorization{CredentialsFile: w.file}
		}
	}
	inTruthWorldOf(t, o, kind, 2*time.Minute, tested, func(tw *truthWorld) {
		w.truthWorld = tw
		if i.byToken {
			w.write(w.file, w.airflow.Token(w.account.Name))
		}
		w.settle()
		test(w)
	})
}

// meet lets an incident last for some scrapes, and expects everything after it.
func (w *healWorld) meet(i *incident, scrapes int) {
	w.t.Helper()
	end := i.begin(w)
	logins, noticed := 0, false
	for range scrapes {
		v, n := w.judged(i)
		w.blame(i.name, v)
		logins += n
		noticed = noticed || i.mayFlag == nil || slices.ContainsFunc(i.mayFlag, func(part string) bool { return !w.last.parts[part].success })
	}
	end()
	v, n := w.judged(&incident{})
	w.blame(i.name+", after it", v)
	if !noticed {
		w.t.Errorf("%s: nothing is flagged, so that nothing was spoilt", i.name)
	}
	if !i.unseen || w.kind.version[0] != '2' {
		logins += n
	} else {
		logins = n
	}
	w.y.add(scrapes, logins, v)
}

// meetEverywhere lets a token expire, and the key change, at each request of a scrape.
func (w *healWorld) meetEverywhere() {
	open := []string{"version", "health", "token"}
	needsLogin := func(r *http.Request) bool {
		return r.Header.Get(markHeader) != "" && !slices.Contains(open, endpointOf(r))
	}
	n := 0
	for endpoint, pages := range w.pagesOf() {
		if !slices.Contains(open, endpoint) {
			n += pages
		}
	}
	for k := 1; k <= n; k += 1 + n/20 {
		seen, expired := 0, "" // guarded by the list of faults
		w.meet(&incident{name: fmt.Sprintf("the token expires at request %d of %d", k, n), begin: func(w *healWorld) func() {
			return w.airflow.Inject(func(r *http.Request) bool {
				if !needsLogin(r) {
					return false
				}
				if seen++; seen == k {
					expired = r.Header.Get("Authorization")
				}
				return r.Header.Get("Authorization") == expired
			}, airflowtest.Status(401, http.Header{"Content-Type": {"application/json"}}, `{"detail":"Token Expired"}`))
		}}, 1)
		seen = 0
		w.meet(&incident{name: fmt.Sprintf("a new key at request %d of %d", k, n), begin: func(w *healWorld) func() {
			return w.airflow.Inject(func(r *http.Request) bool {
				if needsLogin(r) {
					if seen++; seen == k {
						w.airflow.RotateKey()
					}
				}
				return false
			}, airflowtest.Fault{})
		}}, 1)
	}
}

// judged is the verdict about the next scrape, and how many logins it took: on
// Airflow 2, where each request is one, those that were refused.
func (w *healWorld) judged(i *incident) (v verdict, logins int) {
	w.airflow.ResetRequests()
	said := w.next()
	v = (&judge{maxAge: w.collector.cfg.MaxAge, mayFlag: i.mayFlag}).compare(said, w.last, w.seen)
	w.last = said
	for _, r := range w.airflow.Requests() {
		refused := w.kind.version[0] == '2' && w.account.Rights == airflowtest.Viewer && (r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden)
		if r.Header.Get(markHeader) != "" && (refused || r.Path == "/auth/token") {
			logins++
		}
	}
	w.y.mu.Lock()
	defer w.y.mu.Unlock()
	w.y.wrong += len(v.wrong)
	if i.unseen && w.kind.version[0] == '2' {
		w.y.atOnce = max(w.y.atOnce, logins)
	} else {
		w.y.perScrape = max(w.y.perScrape, logins)
	}
	return v, logins
}

// twoOf are as many as are worth reading.
func twoOf(list []string) []string { return list[:min(2, len(list))] }

func (w *truthWorld) blame(name string, v verdict) {
	w.t.Helper()
	if !v.empty() {
		w.t.Errorf("%s: wrong %d %q, gaps %d %q, false flags %q", name, len(v.wrong), twoOf(v.wrong), len(v.gaps), twoOf(v.gaps), v.flags)
	}
}

// add counts an incident with its verdict after it. One that lasts is tried again at each scrape.
func (y *healTally) add(scrapes, logins int, v verdict) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.incidents++
	if !v.empty() {
		y.late++
	}
	if scrapes == 1 {
		y.perIncident = max(y.perIncident, logins)
	}
}
