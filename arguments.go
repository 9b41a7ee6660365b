package main

import (
	"fmt"
	"strconv"
	"strings"
)

// dash is what a lone - is called on its way through kingpin, which makes of it an empty argument. No argument of a
// program can hold it.
const dash = "\x00"

func hideDashes(args []string) []string {
	hidden := make([]string, len(args))
	for i, arg := range args {
		if hidden[i] = arg; arg == "-" {
			hidden[i] = dash
		}
	}
	return hidden
}

func showDashes(s string) string { return strings.ReplaceAll(s, dash, "-") }

// emptyError is an argument that is there and says nothing: often that of a variable that was to be set.
type emptyError struct{ argument, advice string }

func (e *emptyError) Error() string {
	text := e.argument + " is empty (is a shell variable unset?)"
	if e.advice != "" {
		text += "; " + e.advice
	}
	return text
}

// argument is the value of an argument that may be missing, but not empty.
type argument struct {
	name, advice string // advice for one that is empty
	value        *string
}

// Set implements kingpin.Value.
func (a argument) Set(s string) error {
	if s == "" {
		return &emptyError{a.name, a.advice}
	}
	*a.value = showDashes(s)
	return nil
}

// String implements kingpin.Value.
func (a argument) String() string { return "" }

// mapIndex is the same of one that is a number.
type mapIndex struct{ index **int }

// Set implements kingpin.Value.
func (m mapIndex) Set(s string) error {
	if s == "" {
		return &emptyError{"map_index", "leave it out for the instance that is worst off"}
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return fmt.Errorf("map_index: %q is not a whole number of 0 or more", showDashes(s))
	}
	*m.index = &n
	return nil
}

// String implements kingpin.Value.
func (m mapIndex) String() string { return "" }
