package airflow

import (
	"context"
	"errors"
	"net/url"
	"strconv"
)

// LogQuery says which part of a log to read, and how.
type LogQuery struct {
	// Token continues after what was read before; see [LogStream.Token].
	Token string
	// FullContent asks for all of the log at once, where Airflow would send it in parts.
	FullContent bool
	// Stream lets Airflow send the log while it reads it, to the end as it is
	// now, as text/plain (Airflow 2) or application/x-ndjson (Airflow 3), where
	// it otherwise sends JSON. Such a log cannot be continued: Airflow begins it
	// anew whatever the token, and what Airflow 3 calls a token of it, in a header,
	// is not used. On Airflow 2 it does not tell hosts apart; see LogLine.Host.
	Stream bool
}

// ndjsonType is a JSON object a line.
const ndjsonType = "application/x-ndjson"

const opLog = "read the log of a task instance"

// Log reads the log of one attempt of a task instance
// (GET …/taskInstances/{task_id}/logs/{try_number}). The caller must close the
// stream. Whatever its length, no more of a log is kept in memory than a line
// of it; all of it is bounded by [Config] MaxResponseBytes.
func (a *TaskInstanceAPI) Log(ctx context.Context, ref TaskInstanceRef, tryNumber int, q LogQuery) (*LogStream, error) {
	s, err := a.server(ctx, opLog, ref)
	if err != nil {
		return nil, err
	}
	if q.Stream && q.Token != "" {
		return nil, unsupported(opLog, s, "LogQuery.Token together with Stream")
	}
	k := a.client.instanceCall(s, opLog, ref.unmapped(), "/logs/"+strconv.Itoa(tryNumber))
	k.endpoint = instancePath + "/logs/{task_try_number}"
	k.maxBytes = a.client.cfg.MaxResponseBytes
	k.query = url.Values{}
	if ref.MapIndex >= 0 {
		k.query = ref.indexQuery()
	}
	if q.Token != "" {
		k.query.Set("token", q.Token)
	}
	if q.FullContent {
		k.query.Set("full_content", "true")
	}
	s.dialect.logCall(s, &k, q.Stream)
	answer, err := a.client.do(ctx, k)
	if err != nil {
		return nil, err
	}
	return &LogStream{answer: answer, source: s.dialect.logSource(answer, q.Stream)}, nil
}

// unsupported is the error of what this Airflow does not know, before it is asked.
func unsupported(op string, s *server, what string) error {
	return &Error{Op: op, Class: ClassInternal, Err: errors.ErrUnsupported,
		Detail: "Airflow " + s.Number + " does not support " + what}
}

func (v1) logCall(_ *server, k *call, stream bool) {
	k.unparsed = true
	if stream {
		k.accept = "text/plain"
	}
}

func (v1) logSource(a *answer, stream bool) logSource {
	if stream {
		return newTextLog(a.body)
	}
	return newReprLog(a.body)
}

func (v2) logCall(s *server, k *call, stream bool) {
	k.byRow = true
	switch {
	case stream && !s.AtLeast(3, 0, 2):
		k.accept, k.sends = "text/plain", ndjsonType // what these versions call it when they are asked
	case stream:
		k.accept = ndjsonType
	}
}

func (v2) logSource(a *answer, stream bool) logSource {
	if stream {
		return newMessageLines(a.body)
	}
	return newMessageLog(a.body)
}
