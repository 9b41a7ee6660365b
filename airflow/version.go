package airflow

import (
	"fmt"
	"regexp"
	"strconv"
)

// Version is which Airflow answers, and through which API.
type Version struct {
	Number string // as Airflow writes it: "3.3.2", "2.11.0.dev0"
	API    string // "v1" (Airflow 2) or "v2" (Airflow 3)
	Major  int
	Minor  int
	Patch  int
}

// AtLeast reports whether v is this release or a later one.
func (v Version) AtLeast(major, minor, patch int) bool {
	switch {
	case v.Major != major:
		return v.Major > major
	case v.Minor != minor:
		return v.Minor > minor
	}
	return v.Patch >= patch
}

var versionNumber = regexp.MustCompile(`^(\d+)\.(\d+)(?:\.(\d+))?`)

func parseVersion(api, number string) (Version, error) {
	v := Version{Number: number, API: api}
	m := versionNumber.FindStringSubmatch(number)
	if m == nil {
		return v, fmt.Errorf("%q is not a version number", number)
	}
	for i, field := range []*int{&v.Major, &v.Minor, &v.Patch} {
		n, err := strconv.Atoi(m[i+1])
		if err != nil && m[i+1] != "" {
			return v, fmt.Errorf("%q is not a version number", number)
		}
		*field = n
	}
	return v, nil
}
