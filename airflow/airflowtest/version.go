package airflowtest

import (
	"fmt"
	"regexp"
	"strconv"
)

// release is a version of Airflow, and what it can do. The thresholds were
// measured where a server of that version was at hand, and read in its source
// where not.
type release struct {
	text                string
	major, minor, patch int
}

var releasePattern = regexp.MustCompile(`^(\d{1,4})\.(\d{1,4})\.(\d{1,4})`)

func parseRelease(text string) (release, error) {
	m := releasePattern.FindStringSubmatch(text)
	if m == nil {
		return release{}, fmt.Errorf("airflowtest: version %q is not like 3.3.2", text)
	}
	r := release{text: text}
	for i, field := range []*int{&r.major, &r.minor, &r.patch} {
		*field, _ = strconv.Atoi(m[i+1]) // the pattern lets nothing else through
	}
	if r.major != 2 && r.major != 3 {
		return release{}, fmt.Errorf("airflowtest: version %q is neither Airflow 2 nor 3", text)
	}
	return r, nil
}

// atLeast reports whether r is this version or a later one.
func (r release) atLeast(major, minor, patch int) bool {
	switch {
	case r.major != major:
		return r.major > major
	case r.minor != minor:
		return r.minor > minor
	}
	return r.patch >= patch
}

// gitVersion is what the version endpoint tells beside the version.
func (r release) gitVersion() string {
	switch r.text {
	case "2.10.2":
		return ".release:35087d7d10714130cc3e9e9730e34b07fc56938d"
	case "2.10.5":
		return ".release:b93c3db6b1641b0840bd15ac7d05bc58ff2cccbf"
	case "2.11.2":
		return ""
	case "3.3.2":
		return ".release:aa19d2dbb9ed187ec01957a92848d9b005e9ba9d"
	}
	return ".release:0000000000000000000000000000000000000000"
}

// pagesBatch reports whether the batch list honours its page fields.
func (r release) pagesBatch() bool { return r.atLeast(2, 10, 3) }

// checksBatchBySpec reports whether the paging fields of the batch list are
// checked against the API's specification, not by the code behind it.
func (r release) checksBatchBySpec() bool { return r.atLeast(2, 10, 3) }

// unauthenticated reports whether refused credentials are 401: the others of
// Airflow 2 take the caller for the public role and answer 403.
func (r release) unauthenticated() bool { return r.text == "2.10.5" }

// clampsGet reports whether GET listings hold at most 100 rows.
func (r release) clampsGet() bool { return r.atLeast(3, 1, 7) }

// hasCursors reports whether GET listings can be read with a cursor.
func (r release) hasCursors() bool { return r.atLeast(3, 2, 2) }

// countsWithCursor reports whether a page that was asked for with a cursor
// tells a bounded total_entries, and the bound.
func (r release) countsWithCursor() bool { return r.atLeast(3, 3, 2) }

// hasAwaitingInput reports whether the state awaiting_input exists.
func (r release) hasAwaitingInput() bool { return r.atLeast(3, 3, 0) }

// linksByIndex reports whether v1 takes a map index for extra links; before, it
// tells those of whichever instance comes first.
func (r release) linksByIndex() bool { return r.atLeast(2, 10, 5) }

// hasTries reports whether v1 lists attempts and dependencies.
func (r release) hasTries() bool { return r.atLeast(2, 10, 0) }

// hidesRecordedRetries reports whether …/tries of v1 leaves out an instance
// that waits for a retry, whose attempt the history holds already.
func (r release) hidesRecordedRetries() bool { return r.atLeast(2, 10, 4) }

// countsWithFields reports whether /dags of v1 tells total_entries when it is
// asked for some of the fields.
func (r release) countsWithFields() bool { return r.atLeast(2, 10, 3) }

// patchesEveryIndex reports whether v2 gives its new state to every index of a
// mapped task whichever the path names (https://github.com/apache/airflow/issues/57101).
func (r release) patchesEveryIndex() bool { return r.atLeast(3, 1, 0) && !r.atLeast(3, 1, 2) }

// patchTellsOne reports whether the answer to a PATCH of v2 is the instance, not a list.
func (r release) patchTellsOne() bool { return !r.atLeast(3, 0, 2) }

// logLinesType is what v2 wants to be asked for to send a log as lines of JSON.
func (r release) logLinesType() string {
	if r.atLeast(3, 0, 2) {
		return "application/x-ndjson"
	}
	return "text/plain"
}

// hasTimetableKinds reports whether DAGs of v2 tell what kind their timetable is.
func (r release) hasTimetableKinds() bool { return r.atLeast(3, 2, 0) }

// hasBackoffFactor reports whether retry_exponential_backoff of a task is a number.
func (r release) hasBackoffFactor() bool { return r.atLeast(3, 2, 0) }

// hasDisplayNames reports whether v2 rows carry dag_display_name and operator_name.
func (r release) hasDisplayNames() bool { return r.atLeast(3, 1, 0) }

// hasOpenRanges reports whether v2 knows the suffixes _gt and _lt.
func (r release) hasOpenRanges() bool { return r.atLeast(3, 1, 0) }

// hasTeams reports whether pools have a team and triggers a queue.
func (r release) hasTeams() bool { return r.atLeast(3, 2, 0) }

// needsDagOfRun reports whether "any DAG, this run" is refused.
func (r release) needsDagOfRun() bool { return r.atLeast(3, 2, 0) }

// nullDates says how GET listings of v2 compare start_date and end_date with a
// bound when they are null.
func (r release) nullDates() nullRule {
	switch {
	case r.atLeast(3, 2, 2):
		return nullPassesLowerBounds
	case r.atLeast(3, 0, 3):
		return nullIsNow
	}
	return nullNeverMatches
}

// unlimitedPools reports whether v2 can list a pool without limit.
func (r release) unlimitedPools() bool { return r.atLeast(3, 1, 8) }

// states are the states of task instances that filters accept, null not
// included, in the order in which the server's own error texts name them.
func (r release) states() []string {
	if r.major == 2 {
		return []string{Success, Running, Failed, UpstreamFailed, Skipped, UpForRetry, UpForReschedule,
			Queued, "none", Scheduled, Deferred, Removed, Restarting}
	}
	states := []string{Removed, Scheduled, Queued, Running, Success, Restarting, Failed, UpForRetry,
		UpForReschedule, UpstreamFailed, Skipped, Deferred}
	if r.hasAwaitingInput() {
		states = append(states, AwaitingInput)
	}
	return states
}
